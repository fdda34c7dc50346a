"""Drafts: what was typed into a form whose log-in had ended, kept in the session for the same person and page, once."""

from typing import TypedDict

from django.core.signing import BadSignature, Signer
from django.http import HttpRequest

from apikeys.web.forms import CreateForm, EditForm

SESSION_KEY = "typed"  # its name in sessions that live
AUTHOR = "author"  # the hidden field that says whose form it is, once nobody is logged in
SIGNER = Signer(salt="apikeys.typed")  # with another salt, forms that are open during an upgrade lose their draft
# All fields of the forms of keys but those of one form only.
FIELDS = [name for name in {**CreateForm.base_fields, **EditForm.base_fields} if name not in ("nonce", "account")]
MAX_LENGTH = 4000


class Draft(TypedDict):
    """What the session holds, as JSON."""

    path: str
    iam_id: str
    fields: dict[str, str]


def fields_of(request: HttpRequest) -> dict[str, str]:
    """Return what a form of the page sent, as far as it may come back into a page; longer texts are cut.

    What came several times are boxes that are ticked.
    """
    return {name: " ".join(request.POST.getlist(name))[:MAX_LENGTH] for name in FIELDS if name in request.POST}


def author_of(request: HttpRequest) -> str:
    """Return the IAM ID of whose form was sent, "" where it does not say or the signature is forged."""
    try:
        return SIGNER.unsign(request.POST.get(AUTHOR, ""))
    except BadSignature:
        return ""


def keep(request: HttpRequest, draft: Draft) -> None:
    """Keep a draft in the session, in place of an older one; nobody is logged in there by now."""
    request.session[SESSION_KEY] = draft


def take(request: HttpRequest, iam_id: str) -> dict[str, str]:
    """Return the fields of the draft of this person for this page, {} for none, and forget it.

    A draft for another page stays; one of somebody else for this page is forgotten and not returned.
    """
    draft: Draft | None = request.session.get(SESSION_KEY)
    if not draft or draft["path"] != request.path:
        return {}
    del request.session[SESSION_KEY]
    return draft["fields"] if draft["iam_id"] == iam_id else {}
