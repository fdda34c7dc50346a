"""What was typed into a form while the log-in ended: kept for the same person, for the same page, once."""

from typing import Any

from django.core.signing import BadSignature, Signer
from django.http import HttpRequest

SESSION_KEY = "typed"
AUTHOR = "author"  # the hidden field that says whose form it is, once nobody is logged in
SIGNER = Signer(salt=__name__)
# All fields of the forms of keys that are not secret and not of one form only, as the nonce is.
FIELDS = ("name", "description", "expires", "expires_on", "action_when_leaked", "entity_tag")
MAX_LENGTH = 4000


def fields_of(request: HttpRequest) -> dict[str, str]:
    """Return what a form of the page sent, as far as it may come back into a page."""
    return {name: request.POST[name][:MAX_LENGTH] for name in FIELDS if name in request.POST}


def signed_author(iam_id: str) -> str:
    """Return what the forms of this person carry."""
    return SIGNER.sign(iam_id)


def author_of(request: HttpRequest) -> str:
    """Return whose form was sent, "" where it does not say or where that is forged."""
    try:
        return SIGNER.unsign(request.POST.get(AUTHOR, ""))
    except BadSignature:
        return ""


def keep(request: HttpRequest, path: str, iam_id: str, fields: dict[str, str]) -> None:
    """Keep the fields in the session, which is nobody's by now."""
    request.session[SESSION_KEY] = {"path": path, "iam_id": iam_id, "fields": fields}


def take(request: HttpRequest, iam_id: str) -> dict[str, Any]:
    """Return what this person typed into the form at this address, {} for nothing, and forget it."""
    kept = request.session.get(SESSION_KEY)
    if not kept or kept["path"] != request.path:
        return {}
    del request.session[SESSION_KEY]
    return dict(kept["fields"]) if kept["iam_id"] == iam_id else {}
