"""What was typed into a form while the log-in ended: kept for the same person, for the same page, once."""

from typing import Any

from django.http import HttpRequest

SESSION_KEY = "typed"
# All fields of the forms of keys that are not secret and not of one form only, as the nonce is.
FIELDS = ("name", "description", "expires", "expires_on", "action_when_leaked", "entity_tag")
MAX_LENGTH = 4000


def fields_of(request: HttpRequest) -> dict[str, str]:
    """Return what a form of the page sent, as far as it may come back into a page."""
    return {name: request.POST[name][:MAX_LENGTH] for name in FIELDS if name in request.POST}


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
