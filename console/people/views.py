"""Manage > Access > Users, and the page on which a person with a link chooses a password."""

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apikeys import audit
from apikeys.exceptions import (
    ApiKeyError,
    InvalidApiKey,
    LastAdministrator,
    LinkEnded,
    LinkUsed,
    PersonConflict,
    TooManyAttempts,
)
from apikeys.identity.callers import caller_for, caller_of, check_administrator
from apikeys.identity.request import Request
from apikeys.services.messages import sentence
from apikeys.services.owners import holdings
from apikeys.web.forms import sent_form
from apikeys.web.responses import UNPROCESSABLE, shown_once, with_retry_after
from console.active_sessions.views import end_session, end_sessions, sessions_for_page
from console.factors.enrolled import has_one
from console.log_in import events
from console.log_in.auth import judge
from console.log_in.limiter import Attempt
from console.log_in.passwords import NewPasswordForm
from console.models import User
from console.people import changes, links
from console.people.changes import Invited
from console.people.forms import CodeForm, DeleteForm, PersonForm
from console.people.listing import heirs_of, people_of, searched, url_of

SHOWN_IN_FORM = (InvalidApiKey, LastAdministrator)
LINKS = "a link to choose a password"  # for the limit on attempts, in place of a user ID


@require_http_methods(["GET", "POST"])
@sensitive_post_parameters("q")
def people_list(request: Request) -> HttpResponse:
    """Everybody who can log in. The search is posted: a value that somebody pastes must be in no address."""
    caller = caller_of(request)
    check_administrator(caller)
    typed = (request.POST if request.method == "POST" else request.GET).get("q", "")
    search = searched(typed)
    if request.method == "POST" or search != typed.strip():
        return HttpResponseRedirect(reverse("people") + (url_of(search) if search else ""))
    found = people_of(caller, search, request.GET.get("page", ""))
    return render(request, "people/list.html", {"listing": found})


@require_http_methods(["GET", "POST"])
@sensitive_variables("invited")
def person_create(request: Request) -> HttpResponse:
    """A new person; the answer has the link for them."""
    caller = caller_of(request)
    check_administrator(caller)
    form = PersonForm(sent_form(request), initial={"may_create_keys": True})
    if form.is_valid():
        try:
            invited = changes.create(caller, **form.fields_of_person())
        except SHOWN_IN_FORM as exc:
            _add(form, exc)
        else:
            return _show_link(request, invited, _("User created"))
    return render(request, "people/create.html", {"form": form}, status=UNPROCESSABLE if form.errors else 200)


@require_http_methods(["GET", "POST"])
def person_details(request: Request, iam_id: str) -> HttpResponse:
    """What a person is, to be changed, and what else can be done with them."""
    caller = caller_of(request)
    person = changes.get(caller, iam_id)
    form = PersonForm(sent_form(request), initial=PersonForm.of(person))
    if form.is_valid():
        try:
            person = changes.change(caller, iam_id, seen=form.cleaned_data["seen"], **form.fields_of_person())
        except PersonConflict as exc:
            form.follow(changes.get(caller, iam_id))
            _add(form, exc)
        except SHOWN_IN_FORM as exc:
            _add(form, exc)
        else:
            messages.success(request, _("The changes to %(name)s were saved.") % {"name": person})
            return _to_list()
    person = changes.get(caller, iam_id)
    context = {"person": person, "form": form, "held": holdings([iam_id])[iam_id], "has_factor": has_one(person)}
    return render(request, "people/details.html", context, status=UNPROCESSABLE if form.errors else 200)


@require_POST
def person_set_active(request: Request, iam_id: str, active: bool) -> HttpResponse:
    """Deactivate a person, or let them back."""
    person = changes.set_active(caller_of(request), iam_id, active=active)
    message = (
        _("%(name)s can log in again, and their API keys and service IDs work again.")
        if active
        else _("%(name)s is deactivated. Their sessions, API keys, tokens and service IDs are refused from now on.")
    )
    if not active:
        _leave(request, iam_id)
    messages.success(request, message % {"name": person})
    return _to_list()


@require_GET
def person_sessions(request: Request, iam_id: str) -> HttpResponse:
    """Where a person is logged in."""
    person = changes.get(caller_of(request), iam_id)
    return render(request, "active_sessions/sessions.html", {"person": person, **sessions_for_page(request, person)})


@require_POST
def person_session_end(request: Request, iam_id: str, session_id: str) -> HttpResponse:
    """End one session of a person."""
    caller = caller_of(request)
    person = changes.get(caller, iam_id)
    return end_session(request, caller, person, session_id, reverse("person_sessions", args=[iam_id]))


@require_POST
def person_sessions_end(request: Request, iam_id: str) -> HttpResponse:
    """End all sessions of a person but the one that asks."""
    caller = caller_of(request)
    person = changes.get(caller, iam_id)
    return end_sessions(request, caller, person, reverse("person_sessions", args=[iam_id]))


@require_POST
@sensitive_variables("invited")
def person_link(request: Request, iam_id: str) -> HttpResponse:
    """A new link to choose a password."""
    return _show_link(request, changes.new_link(caller_of(request), iam_id), _("Link to choose a password"))


@require_POST
def person_reset_factors(request: Request, iam_id: str) -> HttpResponse:
    """Let a person who lost their second factors log in without."""
    person = changes.reset_factors(caller_of(request), iam_id)
    done = _("%(name)s has no second factor any more, and is logged out everywhere.")
    messages.success(request, done % {"name": person})
    return _to_list()


@require_http_methods(["GET", "POST"])
def person_delete(request: Request, iam_id: str) -> HttpResponse:
    """What is deleted with a person, and what becomes of the rest."""
    caller = caller_of(request)
    person = changes.get(caller, iam_id)
    held = holdings([iam_id])[iam_id]
    form = DeleteForm(sent_form(request), heirs=heirs_of(person) if held.service_ids else [])
    problem = ""
    if form.is_valid():
        try:
            changes.delete(caller, iam_id, heir=form.cleaned_data["heir"])
        except SHOWN_IN_FORM as exc:
            problem = sentence(exc)
        else:
            _leave(request, iam_id)
            messages.success(request, _("%(name)s was deleted.") % {"name": person})
            return _to_list()
    context = {"person": person, "form": form, "held": held, "refusal": problem}
    return render(request, "people/delete.html", context, status=UNPROCESSABLE if problem or form.errors else 200)


@login_not_required
@require_http_methods(["GET", "POST"])
@sensitive_post_parameters()
@sensitive_variables("code", "form", "attempt")
def choose_password(request: Request) -> HttpResponse:
    """The page of a link, which is sent first: then it says whose password is chosen.

    A script takes the code from behind the `#` and sends it; without one people paste the link.
    """
    if request.method == "GET":
        return render(request, "people/choose_password.html", {"code_form": CodeForm()})
    code = links.code_in(request.POST.get("code", ""))
    attempt = Attempt(request.client_address, f"{LINKS} {code}", is_person=False)
    try:
        link = judge(attempt, lambda: links.find(code))
        if link is None:
            raise LinkUsed if links.was_used(code) else LinkEnded
        is_sent = "new_password1" in request.POST
        form = NewPasswordForm(link.user, request.POST if is_sent else None)
        if not form.is_valid():
            return _choose(request, form, code, link.user)
        person = changes.choose_password(caller_for(request, audit.NOBODY), code, form.cleaned_data["new_password1"])
    except (LinkEnded, TooManyAttempts) as exc:
        action = audit.LIMIT if isinstance(exc, TooManyAttempts) else audit.PERSON_PASSWORD
        events.record(request, action, reason=type(exc).__name__)
        context = {"code_form": CodeForm(), "refusal": sentence(exc), "is_used": isinstance(exc, LinkUsed)}
        response = render(request, "people/choose_password.html", context, status=exc.status)
        return with_retry_after(response, exc) if isinstance(exc, TooManyAttempts) else response
    _leave(request, person.iam_id)
    messages.success(request, _("Your password was set. Log in as %(user_id)s.") % {"user_id": person.username})
    return HttpResponseRedirect(reverse("login"))


@sensitive_variables("code", "form", "context")
def _choose(request: Request, form: NewPasswordForm, code: str, person: User) -> HttpResponse:
    """Return the page for the password of a person, with what is wrong with the one they sent; the code comes along."""
    context = {"code": code, "form": form, "person": person}
    return shown_once(request, "people/choose_password.html", context, UNPROCESSABLE if form.errors else 200)


@sensitive_variables("invited", "context")
def _show_link(request: Request, invited: Invited, title: str) -> HttpResponse:
    context = {"person": invited.person, "link": links.url_of(invited.code, _base(request)), "page_title": title}
    return shown_once(request, "people/link.html", context)


def _base(request: Request) -> str:
    """Return the address of this console as the reader's browser knows it."""
    return request.build_absolute_uri("/")


def _add(form: PersonForm, error: ApiKeyError) -> None:
    field = getattr(error, "field", None)
    form.add_error(field if field in form.fields else None, sentence(error))


def _leave(request: Request, iam_id: str) -> None:
    """Let go of the session where its person's sessions have just ended: it could not keep a message."""
    if getattr(request.user, "iam_id", "") == iam_id:
        request.session.flush()


def _to_list() -> HttpResponse:
    return HttpResponseRedirect(reverse("people"))
