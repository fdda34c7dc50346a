"""The page *Sessions*, and what that of a person in Manage > Access > Users shares with it."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from apikeys.domain import Caller
from apikeys.identity.callers import caller_for
from apikeys.identity.request import Request
from apikeys.identity.users import identity_of
from apikeys.web.listing import number_of
from console.active_sessions.sessions import end, end_all, sessions_of
from console.models import User
from console.sessions import stored_key


@require_GET
def sessions(request: Request) -> HttpResponse:
    """Where the reader is logged in."""
    return render(request, "active_sessions/sessions.html", sessions_for_page(request, request.user))


@require_POST
def session_end(request: Request, session_id: str) -> HttpResponse:
    """End one of them."""
    return end_session(request, _oneself(request), request.user, session_id, reverse("sessions"))


@require_POST
def sessions_end(request: Request) -> HttpResponse:
    """End all of them but the one that asks."""
    return end_sessions(request, _oneself(request), request.user, reverse("sessions"))


def sessions_for_page(request: Request, person: User) -> dict[str, Any]:
    """Return what the page shows of a person, the reader or somebody else."""
    found = sessions_of(person, _this(request))
    return {"sessions": found, "has_others": any(not each.is_this for each in found)}


def end_session(request: Request, caller: Caller, person: User, session_id: str, page: str) -> HttpResponse:
    """End one session of a person, and lead back to a page."""
    end(caller, person, session_id)
    messages.success(request, _("The session has ended."))
    return HttpResponseRedirect(page)


def end_sessions(request: Request, caller: Caller, person: User, page: str) -> HttpResponse:
    """End all sessions of a person but the one that asks, and lead back to a page."""
    number = end_all(caller, person, but=_this(request))
    told = ngettext("%(number)s session has ended.", "%(number)s sessions have ended.", number)
    messages.success(request, told % {"number": number_of(number)})
    return HttpResponseRedirect(page)


def _oneself(request: Request) -> Caller:
    return caller_for(request, identity_of(request.user))  # upstream without an account, too


def _this(request: Request) -> str:
    return stored_key(request.session.session_key or "")
