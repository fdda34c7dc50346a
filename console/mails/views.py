"""The page *Mails*: where they go, and what somebody chooses to be told."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import get_language_info
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from apikeys.identity.callers import caller_for
from apikeys.identity.request import Request
from apikeys.identity.users import identity_of
from console.mails.choices import boxes, choose, refusal_of


@require_http_methods(["GET", "POST"])
def mails(request: Request) -> HttpResponse:
    """What the reader is told by mail."""
    person = request.user
    if request.method == "POST":
        choose(caller_for(request, identity_of(person)), person, set(request.POST.getlist("kind")))
        messages.success(request, _("Your choice was saved."))
        return HttpResponseRedirect(reverse("mails"))
    context = {
        "are_sent": settings.MAILS_ARE_SENT,
        "address": person.email,
        "refusal": refusal_of(person),
        "language": get_language_info(person.language or settings.LANGUAGE_CODE)["name_local"],
        "boxes": boxes(person),
    }
    return render(request, "mails/mails.html", context)
