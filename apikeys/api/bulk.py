"""/v1/apikeys/bulk, one action on many keys, and /v1/apikeys/revoke, the end of all of somebody's."""

from typing import Any

from django.http import HttpRequest

from apikeys.api import fields
from apikeys.api.answers import JsonAnswer
from apikeys.api.decorators import authenticated, resource
from apikeys.api.fields import json_body, needed_field
from apikeys.api.paging import owner_called
from apikeys.domain import MOST_IN_REQUEST, BulkAction, BulkFailure, Caller
from apikeys.exceptions import BadRequest
from apikeys.exceptions import gettext_noop as _
from apikeys.services import bulk, revoking
from apikeys.services.messages import sentence
from apikeys.values import mask_sent

ACTIONS = tuple(str(action) for action in BulkAction)


@authenticated
def change_keys(request: HttpRequest, caller: Caller) -> JsonAnswer:
    """Do something to each of these keys, and return how many, and what could not be done.

    Raises BadRequest (400), Unauthenticated (401).
    """
    body = json_body(request)
    action = BulkAction(fields.choice("action", needed_field(body, "action"), ACTIONS))
    ids = [fields.printable("ids", key_id) for key_id in fields.texts(body.get("ids") or [], "ids")]
    if not 1 <= len(ids) <= MOST_IN_REQUEST:
        raise BadRequest("ids", _("Send 1 to %(most)d ids."), most=MOST_IN_REQUEST)
    failures = bulk.act_on_all(caller, action, ids)
    return JsonAnswer({"done": len(set(ids)) - len(failures), "failed": [failed(failure) for failure in failures]})


def failed(failure: BulkFailure) -> dict[str, Any]:
    """Return a key to which it could not be done, and why."""
    name = {"name": failure.name} if failure.name else {}
    # What is no id is told as it was sent, save a value that was sent for one.
    return {"id": mask_sent(failure.key_id), **name, "code": failure.code, "message": sentence(failure)}


@authenticated
def revoke_keys(request: HttpRequest, caller: Caller) -> JsonAnswer:
    """Disable all keys of the caller, or as an administrator of an owner or of everybody, and return how many.

    Raises BadRequest (400), Unauthenticated (401), NotAuthorized (403).
    """
    body = json_body(request)
    everybody = body.get("everybody") is not None and fields.true_or_false(body["everybody"], "everybody")
    text = fields.printable("owner", fields.text_field(body, "owner")).strip()
    if everybody == bool(text):
        raise BadRequest("owner", _("Name an owner, or send everybody as true."))
    if everybody:
        owner = None
    elif text == caller.identity.iam_id:
        owner = revoking.find_owner(caller, text)
    else:
        owner = owner_called(caller, text, whole=True)  # a part of a name may be somebody else's
    return JsonAnswer({"revoked": revoking.revoke_all(caller, owner)})


collection = resource(POST=change_keys)
revocation = resource(POST=revoke_keys)
