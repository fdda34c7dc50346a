"""A page of a list: its query parameters in, the full URLs of the pages beside it out."""

import re

from django.http import HttpRequest

from apikeys import domain
from apikeys.api.auth import check_account
from apikeys.api.fields import choice, parameter, printable, read_day, read_days, read_flag, where_given
from apikeys.cursors import read_cursor, write_cursor
from apikeys.exceptions import BadRequest
from apikeys.exceptions import gettext_noop as _
from apikeys.iam.payloads import MAX_PAGE_SIZE, OWN_SORT_WORDS, OWNER, SORT_WORDS
from apikeys.services import keys

DEFAULT_PAGE_SIZE = 20
KEY_SORTS = {word: sort for sort, word in (SORT_WORDS | OWN_SORT_WORDS).items()}
SERVICE_ID_SORTS = {str(sort): sort for sort in domain.ServiceIdSort}
STATUSES = tuple(map(str, domain.Status))
DEFAULT_SORT = "created_at"
MAX_FILTER = 4096
MOST_CONDITIONS = 10  # each of them is looked for in each description

# ASCII: without it, letters' case ignored, "ſw" would pass for "sw".
_CONDITION = re.compile(r' *(name|description|id) +(co|eq|sw) +"((?:[^"\\]|\\["\\])*)" *', re.IGNORECASE | re.ASCII)
_AND = re.compile(r"and\b", re.IGNORECASE | re.ASCII)


def key_query(request: HttpRequest, caller: domain.Caller) -> domain.ApiKeyQuery:
    """Return which keys a request asks for. Raises BadRequest."""
    check_account(caller, parameter(request, "account_id"))
    owner = owner_of(request, caller)
    scope = choice("scope", parameter(request, "scope", "entity"), ("entity", "account"))
    return domain.ApiKeyQuery(
        conditions=conditions(request),
        filters=filters(request),
        iam_id=owner or printable("iam_id", parameter(request, "iam_id")),
        whole_account=bool(owner) or scope == "account",
        kind=choice("type", parameter(request, "type"), ("", "user", "serviceid")),
        sort=KEY_SORTS[choice("sort", parameter(request, "sort", DEFAULT_SORT), tuple(KEY_SORTS))],
        descending=is_descending(request),
        page_size=page_size(request),
        cursor=page_cursor(request),
    )


def owner_of(request: HttpRequest, caller: domain.Caller) -> str:
    """Return the IAM ID of the one whom `owner` means, "" where it is absent. Raises BadRequest, NotAuthorized."""
    text = printable(OWNER, parameter(request, OWNER)).strip()
    return owner_called(caller, text).iam_id if text else ""


def owner_called(caller: domain.Caller, text: str, *, whole: bool = False) -> domain.Owner:
    """Return the one owner whom a text means, as `keys.find_owners` does. Raises BadRequest, NotAuthorized."""
    found = keys.find_owners(caller, text, whole=whole)
    if not found:
        raise BadRequest(OWNER, _("Nobody is called like this."))
    if len(found) > 1:
        raise BadRequest(OWNER, _("Several owners are called like this. Name one by user ID, email or IAM ID."))
    return found[0]


def service_id_query(request: HttpRequest, caller: domain.Caller) -> domain.ServiceIdQuery:
    """Return which service IDs a request asks for. Raises BadRequest."""
    check_account(caller, parameter(request, "account_id"))
    return domain.ServiceIdQuery(
        name=printable("name", parameter(request, "name")),
        conditions=conditions(request),
        sort=SERVICE_ID_SORTS[choice("sort", parameter(request, "sort", DEFAULT_SORT), tuple(SERVICE_ID_SORTS))],
        descending=is_descending(request),
        page_size=page_size(request),
        cursor=page_cursor(request),
    )


def filters(request: HttpRequest) -> domain.Filters:
    """Return what a list of keys is narrowed down to. Raises BadRequest."""
    return domain.Filters(
        status=where_given(request, "status", read_status),
        expires_within_days=where_given(request, "expires_within_days", read_days),
        unused_for_days=where_given(request, "unused_for_days", read_days),
        never_used=where_given(request, "never_used", read_flag),
        created_since=where_given(request, "created_since", read_day),
        leaked=where_given(request, "leaked", read_flag),
    )


def read_status(name: str, text: str) -> domain.Status:
    """Return a status. Raises BadRequest."""
    return domain.Status(choice(name, text, STATUSES))


def page_size(request: HttpRequest) -> int:
    """Return `pagesize`, 1 to 100, 20 where absent. Raises BadRequest."""
    text = parameter(request, "pagesize", str(DEFAULT_PAGE_SIZE))
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= MAX_PAGE_SIZE):
        raise BadRequest("pagesize", _("pagesize must be a number from 1 to 100."))
    return int(text)


def is_descending(request: HttpRequest) -> bool:
    return choice("order", parameter(request, "order", "asc"), ("asc", "desc")) == "desc"


def page_cursor(request: HttpRequest) -> domain.Cursor | None:
    """Return where the page begins that `pagetoken` names, None for the first one. Raises BadRequest."""
    text = parameter(request, "pagetoken")
    try:
        return read_cursor(text) if text else None
    except ValueError:
        raise BadRequest(
            "pagetoken", _("pagetoken is not valid. Copy it from the response's next or previous URL.")
        ) from None


def neighbours(request: HttpRequest, page: domain.ApiKeyPage | domain.ServiceIdPage) -> dict[str, str]:
    """Return the URLs of the first page, and of those before and after this one where there are any."""
    urls = {"first": page_url(request, None)}
    if page.previous:
        urls["previous"] = page_url(request, page.previous)
    if page.next:
        urls["next"] = page_url(request, page.next)
    return urls


def page_url(request: HttpRequest, cursor: domain.Cursor | None) -> str:
    """Return the full URL of a page of the same list."""
    parameters = request.GET.copy()
    parameters.pop("pagetoken", None)
    if cursor:
        parameters["pagetoken"] = write_cursor(cursor)
    query = parameters.urlencode()
    return request.build_absolute_uri(request.path + (f"?{query}" if query else ""))


def conditions(request: HttpRequest) -> tuple[domain.Condition, ...]:
    """Return what `filter` asks for. Raises BadRequest."""
    text = parameter(request, "filter")
    return parse_filter(printable("filter", text)) if text else ()


def parse_filter(text: str) -> tuple[domain.Condition, ...]:
    """Read `name co "text" and id eq "…"`. Raises BadRequest for anything else."""
    conditions: list[domain.Condition] = []
    position = 0
    while True:
        found = _CONDITION.match(text, position)
        if found is None or len(text) > MAX_FILTER:
            raise BadRequest("filter", _('The filter is not valid. Write it like: name co "text"'))
        attribute, match, quoted = found.groups()
        unquoted = re.sub(r'\\(["\\])', r"\1", quoted)
        conditions.append(domain.Condition(attribute.lower(), domain.Match(match.lower()), unquoted))
        if len(conditions) > MOST_CONDITIONS:
            raise BadRequest("filter", _("The filter has more than 10 conditions."))
        position = found.end()
        if position == len(text):
            return tuple(conditions)
        joined = _AND.match(text, position)
        if joined is None:
            raise BadRequest("filter", _('The filter is not valid. Write it like: name co "text"'))
        position = joined.end()
