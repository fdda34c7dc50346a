"""Pages of the API: query parameters in, full URLs of the neighbouring pages out."""

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from apikeys.domain import ApiKeyPage, ApiKeyQuery, Caller, Condition, Cursor, ServiceIdPage, Sort
from apikeys.exceptions import BadRequest
from apikeys.exceptions import gettext_noop as _
from apikeys.iam import payloads

DEFAULT_PAGE_SIZE = 20
SORTS = {
    "name": Sort.NAME,
    "description": Sort.DESCRIPTION,
    "created_at": Sort.CREATED,
    "created_by": Sort.CREATED_BY,
}


@dataclass(frozen=True, slots=True)
class KeyListing:
    """One request for a page of keys."""

    query: ApiKeyQuery

    @classmethod
    def from_request(cls, request: HttpRequest, caller: Caller) -> "KeyListing":
        """Read and check all parameters. Raises BadRequest."""

        def ask(name: str, default: str = "") -> str:
            return parameter(request, name, default)

        account_id = ask("account_id")
        if account_id and account_id != caller.identity.account_id:
            raise BadRequest("account_id", _("The specified account does not match the account in the token."))
        scope = choice("scope", ask("scope", "entity"), ("entity", "account"))
        kind = choice("type", ask("type"), ("", "user", "serviceid"))
        return cls(
            ApiKeyQuery(
                conditions=conditions(request),
                iam_id=printable("iam_id", ask("iam_id")),
                whole_account=scope == "account",
                kind=kind,
                sort=SORTS[choice("sort", ask("sort", "created_at"), tuple(SORTS))],
                descending=is_descending(request),
                page_size=page_size(request),
                cursor=read_token(ask("pagetoken")),
            )
        )

    def answer(self, request: HttpRequest, page: ApiKeyPage, keys: list[dict[str, Any]]) -> dict[str, Any]:
        return {"limit": self.query.page_size, **neighbours(request, page), "apikeys": keys}


def parameter(request: HttpRequest, name: str, default: str = "") -> str:
    """Return a query parameter. Raises BadRequest for one that is given twice: which one is meant?"""
    found = request.GET.getlist(name)
    if len(found) > 1:
        raise BadRequest(name, _("%(name)s appears more than once."), name=name)
    return found[0] if found else default


def page_size(request: HttpRequest) -> int:
    """Return `pagesize`, 1 to 100, 20 where absent. Raises BadRequest."""
    text = parameter(request, "pagesize", str(DEFAULT_PAGE_SIZE))
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= payloads.MAX_PAGE_SIZE):
        raise BadRequest("pagesize", _("pagesize must be a number from 1 to 100."))
    return int(text)


def conditions(request: HttpRequest) -> tuple[Condition, ...]:
    """Return what `filter` asks for. Raises BadRequest."""
    text = parameter(request, "filter")
    return payloads.parse_filter(printable("filter", text)) if text else ()


def is_descending(request: HttpRequest) -> bool:
    return choice("order", parameter(request, "order", "asc"), ("asc", "desc")) == "desc"


def neighbours(request: HttpRequest, page: ApiKeyPage | ServiceIdPage) -> dict[str, str]:
    """Return the URLs of the first page, and of those before and after this one where there are any."""
    urls = {"first": page_url(request, "")}
    if page.previous:
        urls["previous"] = page_url(request, write_token(page.previous))
    if page.next:
        urls["next"] = page_url(request, write_token(page.next))
    return urls


def choice(name: str, text: str, choices: tuple[str, ...]) -> str:
    if text not in choices:
        allowed = ", ".join(option for option in choices if option)
        raise BadRequest(name, _("%(name)s must be one of: %(choices)s"), name=name, choices=allowed)
    return text


def printable(name: str, text: str) -> str:
    if not payloads.is_printable(text):
        raise BadRequest(name, _("%(name)s contains a control character."), name=name)
    return text


def page_url(request: HttpRequest, token: str) -> str:
    """Return the full URL of a page of the same listing."""
    parameters = request.GET.copy()
    parameters.pop("pagetoken", None)
    if token:
        parameters["pagetoken"] = token
    query = parameters.urlencode()
    return request.build_absolute_uri(request.path + (f"?{query}" if query else ""))


def write_token(cursor: Cursor) -> str:
    text = json.dumps([cursor.position, cursor.key_id, int(cursor.backward)], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_token(text: str) -> Cursor | None:
    """Return the place that a page token stands for, None without one. Raises BadRequest."""
    if not text:
        return None
    bad_token = BadRequest("pagetoken", _("pagetoken is not valid. Copy it from the response's next or previous URL."))
    try:
        decoded = json.loads(base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4)).decode())
        position, key_id, backward = decoded
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise bad_token from None
    if not (isinstance(position, str) and isinstance(key_id, str) and backward in (0, 1)):
        raise bad_token
    return Cursor(printable("pagetoken", position), printable("pagetoken", key_id), bool(backward))
