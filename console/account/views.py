"""The page *Sessions*, of oneself and, for administrators, of a person in Manage > Users."""

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from apikeys.domain import Caller
from apikeys.identity.callers import caller_for, caller_of
from apikeys.identity.request import Request
from apikeys.identity.users import identity_of
from apikeys.web.listing import number_of
from console.account.sessions import end, end_all, sessions_of
from console.models import User
from console.people import changes
from console.sessions import stored_key


@require_GET
def sessions(request: Request, iam_id: str = "") -> HttpResponse:
    """Where somebody is logged in: the reader, or for an administrator a person."""
    _caller, person = _whose(request, iam_id)
    context = {"person": person if iam_id else None, "sessions": sessions_of(person, _this(request))}
    return render(request, "account/sessions.html", context)


@require_POST
def session_end(request: Request, session_id: str, iam_id: str = "") -> HttpResponse:
    """End one of them."""
    caller, person = _whose(request, iam_id)
    end(caller, person, session_id)
    messages.success(request, _("The session has ended."))
    return _to_page(iam_id)


@require_POST
def sessions_end(request: Request, iam_id: str = "") -> HttpResponse:
    """End all of them but the one that asks."""
    caller, person = _whose(request, iam_id)
    number = end_all(caller, person, but=_this(request))
    told = ngettext("%(number)s session has ended.", "%(number)s sessions have ended.", number)
    messages.success(request, told % {"number": number_of(number)})
    return _to_page(iam_id)


def _whose(request: Request, iam_id: str) -> tuple[Caller, User]:
    """Return who asks, and about whom. Raises NotAuthorized, PersonNotFound."""
    if not iam_id:
        return caller_for(request, identity_of(request.user)), request.user
    caller = caller_of(request)
    return caller, changes.get(caller, iam_id)


def _this(request: Request) -> str:
    return stored_key(request.session.session_key or "")


def _to_page(iam_id: str) -> HttpResponse:
    return HttpResponseRedirect(reverse("person_sessions", args=[iam_id]) if iam_id else reverse("sessions"))
