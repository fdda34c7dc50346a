"""What the dashboard asks a person to look at, once they have."""

from django.contrib import messages
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from apikeys.identity.callers import caller_of
from apikeys.identity.request import Request
from apikeys.services import attention
from apikeys.web.responses import see_other


@require_POST
def api_key_note_alarm(request: Request, key_id: str) -> HttpResponseBase:
    """The person has seen that a decoy was used."""
    key = attention.note_alarm(caller_of(request), key_id)
    messages.success(request, _("The alarm of %(name)s was noted.") % {"name": key.name})
    return see_other(reverse("dashboard"))
