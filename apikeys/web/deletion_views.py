"""The end of a key and the way back: the question before, Undo, what was deleted lately, and trying without it."""

from datetime import timedelta

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apikeys.backends import store_traits
from apikeys.domain import DeletedKey
from apikeys.exceptions import ApiKeyNotFound
from apikeys.identity.callers import caller_of
from apikeys.identity.request import Request
from apikeys.services import deletion, keys, refusals, review_rules
from apikeys.web.responses import dialog, to_list

PAUSES = (1, 5, 30)  # minutes


@require_http_methods(["GET", "POST"])
def api_key_delete(request: Request, key_id: str) -> HttpResponseBase:
    """Confirm, then delete. A key that is already gone is news, not an error."""
    caller = caller_of(request)
    try:
        if request.method == "GET":
            key = keys.get_api_key(caller, key_id)
            context = {"key": key, "owner": keys.owners_of([key])[key.iam_id]}
            if store_traits().knows_values:
                context["use"] = [place for place in keys.use_of(key).places if place.uses]
                context |= {"restore_hours": settings.APIKEYS_RESTORE_HOURS, "pauses": PAUSES}
            return dialog(request, "delete", context)
        deleted = deletion.delete_api_key(caller, key_id)
    except ApiKeyNotFound:
        messages.info(request, _("That API key no longer exists. It may have been deleted in another tab."))
        return to_list(request)
    can_be_undone = store_traits().knows_values and settings.APIKEYS_RESTORE_HOURS and not deleted.leaked
    messages.success(
        request,
        _("%(name)s was deleted and no longer works.") % {"name": deleted.name},
        extra_tags=deleted.id if can_be_undone else "",
    )
    return to_list(request)


@require_POST
def api_key_restore(request: Request, key_id: str) -> HttpResponseBase:
    """Bring back a key that the person deleted."""
    try:
        restored = deletion.restore_api_key(caller_of(request), key_id)
    except ApiKeyNotFound:
        messages.info(request, _("That API key can't be restored any more."))
        return to_list(request)
    names = {"name": restored.key.name, "other": restored.look_alike}
    message = (
        _("%(name)s is back and works as before. Another API key looks the same: %(other)s.")
        if restored.look_alike
        else _("%(name)s is back and works as before.")
    )
    messages.success(request, message % names)
    return to_list(request)


@require_GET
def api_key_deleted(request: Request) -> HttpResponse:
    """What was deleted lately, and what still calls with it."""
    caller = caller_of(request)
    found = [Deleted(deleted, caller.identity) for deleted in deletion.deleted_keys(caller)]
    return dialog(request, "deleted", {"deleted": found, "restore_hours": settings.APIKEYS_RESTORE_HOURS})


class Deleted:
    """One line of what was deleted lately."""

    def __init__(self, deleted: DeletedKey, identity: object) -> None:
        self.key, self.deleted_at, self.gone_at = deleted.key, deleted.deleted_at, deleted.gone_at
        self.is_by_rule = deleted.deleted_by == review_rules.ACTOR.iam_id
        self.is_restorable = deleted.is_restorable_by(identity)  # type: ignore[arg-type]
        self.refusals = refusals.refusals_since(deleted.key.id, deleted.deleted_at)


@require_POST
def api_key_pause(request: Request, key_id: str) -> HttpResponseBase:
    """Refuse a key for some minutes, to see what deleting it would break."""
    asked = request.POST.get("minutes", "")
    minutes = int(asked) if asked in map(str, PAUSES) else PAUSES[0]
    key = deletion.pause_api_key(caller_of(request), key_id, timedelta(minutes=minutes))
    until = date_format(localtime(key.paused_until), "H:i:s")
    messages.success(
        request,
        _("%(name)s is refused until %(time)s, and works again by itself then.") % {"name": key.name, "time": until},
    )
    return to_list(request)


@require_POST
def api_key_resume(request: Request, key_id: str) -> HttpResponseBase:
    """End a pause now."""
    key = deletion.resume_api_key(caller_of(request), key_id)
    messages.success(request, _("%(name)s works again.") % {"name": key.name})
    return to_list(request)
