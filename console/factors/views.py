"""Account > Second factors, the second step of the log-in, and the page that asks again before something is opened."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import Resolver404, resolve, reverse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apikeys import audit
from apikeys.exceptions import TooManyAttempts
from apikeys.identity.callers import caller_of
from apikeys.identity.request import Request
from apikeys.services.messages import sentence
from apikeys.web.forms import sent_form
from apikeys.web.navigation import requested_next_url
from apikeys.web.responses import UNPROCESSABLE, shown_once
from console.factors import asked_again, changes, enrolled, passcodes, passkeys, proofs, second_step, totp
from console.factors.changes import CodeRefused, PasskeyRefused
from console.factors.forms import AppForm, PasskeyForm
from console.log_in import devices, events, limiter
from console.log_in.refusals import LATE, PASSKEY_REFUSED, redirect_to_log_in, too_many_message
from console.models import User
from console.session_secrets import SessionSecret

ENROLLING = SessionSecret("enrolling", totp.PURPOSE)  # that of the app that is being set up


@require_GET
def factors_page(request: Request) -> HttpResponse:
    """What the person has of second factors."""
    context: dict[str, Any] = {"factors": enrolled.factors_of(request.user)}
    context["is_missing"] = enrolled.is_missing(request.user)
    context |= passkeys.offer(request, request.path)
    context["provider"] = settings.OIDC_NAME
    context["connected"] = enrolled.identity_at_provider(request.user)
    context["may_disconnect"] = request.user.has_usable_password()
    return render(request, "factors/page.html", context)


@require_http_methods(["GET", "POST"])
@sensitive_post_parameters("code")
@sensitive_variables("secret", "codes")
def factors_app(request: Request) -> HttpResponse:
    """A QR code to scan, and the first code that the app shows; the answer to the first factor has recovery codes."""
    if request.method == "GET":
        return _app_page(request, AppForm(), _begin_enrolment(request))
    secret = ENROLLING.find(request.session, bound_to=request.user.iam_id)
    if not secret:
        return HttpResponseRedirect(reverse("factors_app"))
    form = AppForm(request.POST)
    if form.is_valid():
        try:
            codes = changes.add_app(caller_of(request), request.user, secret, form.cleaned_data["code"])
        except CodeRefused as exc:
            form.add_error("code", sentence(exc))
        else:
            ENROLLING.forget(request.session)
            return _added(request, codes)
    return _app_page(request, form, secret)


def _begin_enrolment(request: Request) -> str:
    """Return a new secret, which the session keeps, sealed, until its first code comes."""
    secret = totp.new_secret()
    ENROLLING.keep(request.session, secret, bound_to=request.user.iam_id)
    return secret


@sensitive_variables("secret", "context")
def _app_page(request: Request, form: AppForm, secret: str) -> HttpResponse:
    groups = [secret[start : start + 4] for start in range(0, len(secret), 4)]
    context = {
        "form": form,
        "qr_code": totp.qr_code(totp.uri_of(secret, request.user, changes.issuer())),
        "secret": " ".join(groups),
    }
    return shown_once(request, "factors/app.html", context, UNPROCESSABLE if form.errors else 200)


@sensitive_variables("codes")
def _added(request: Request, codes: list[str]) -> HttpResponse:
    """Go on after a factor was set up: with the first one all sessions have ended but this one, and there are codes."""
    proofs.note(request)
    if not codes:
        messages.success(request, _("Your second factor was set up."))
        return HttpResponseRedirect(reverse("factors"))
    update_session_auth_hash(request, request.user)
    return _codes_page(request, codes, is_first=True)


@require_POST
def factors_app_remove(request: Request) -> HttpResponse:
    """The app is no factor any more."""
    changes.remove_app(caller_of(request), request.user)
    messages.success(request, _("Your authenticator app was removed."))
    return HttpResponseRedirect(reverse("factors"))


@require_http_methods(["GET", "POST"])
@sensitive_variables("codes")
def passkey_add(request: Request) -> HttpResponse:
    """A name for a new passkey, and what the browser made; the answer to the first factor has recovery codes."""
    form = PasskeyForm(sent_form(request))
    if form.is_valid():
        name, sent = form.cleaned_data["name"], form.cleaned_data["passkey"]
        try:
            return _added(request, changes.add_passkey(caller_of(request), request.user, request, name, sent))
        except PasskeyRefused as exc:
            form.add_error(None, sentence(exc))
    context = {"form": form, **passkeys.offer(request, request.path)}
    return render(request, "factors/passkey.html", context, status=UNPROCESSABLE if form.errors else 200)


@require_POST
def passkey_options_to_add(request: Request) -> HttpResponse:
    """What the browser needs to make a passkey."""
    if not passkeys.host_of(request):
        raise Http404
    return JsonResponse(passkeys.options_to_add(request, request.user, changes.issuer()))


@require_POST
def passkey_options(request: Request) -> HttpResponse:
    """What the browser needs to prove with a passkey who somebody is, once more."""
    if not passkeys.host_of(request):
        raise Http404
    return JsonResponse(passkeys.options_to_use(request, request.user))


@require_POST
def passkey_remove(request: Request, digest: str) -> HttpResponse:
    """The passkey is no factor any more."""
    changes.remove_passkey(caller_of(request), request.user, digest)
    messages.success(request, _("The passkey was removed."))
    return HttpResponseRedirect(reverse("factors"))


@require_POST
@sensitive_variables("codes")
def factors_recovery(request: Request) -> HttpResponse:
    """New recovery codes in place of those before."""
    codes = changes.renew_recovery_codes(caller_of(request), request.user)
    return _codes_page(request, codes) if codes else HttpResponseRedirect(reverse("factors"))


@sensitive_variables("codes", "context")
def _codes_page(request: Request, codes: list[str], *, is_first: bool = False) -> HttpResponse:
    context = {"codes": codes, "is_first": is_first}
    return shown_once(request, "factors/codes.html", context)


@require_http_methods(["GET", "POST"])
@sensitive_variables("context")
def passcode_page(request: Request) -> HttpResponse:
    """Log in to the command line: a one-time passcode."""
    context = {"server_url": settings.PROGRAMS_URL}
    if request.method == "GET":
        return render(request, "factors/passcode.html", context)
    context["passcode"] = passcodes.make(request.user)
    return shown_once(request, "factors/passcode.html", context)


@login_not_required
@require_http_methods(["GET", "POST"])
@sensitive_post_parameters()
def second_step_page(request: Request) -> HttpResponse:
    """The second step of a log-in: a code of the app, or a recovery code."""
    found = second_step.find(request)
    if found is None:
        return redirect_to_log_in(LATE)
    person, half = found
    if request.method == "GET":
        return _second_step(request, person)
    passkey = request.POST.get("passkey", "")
    try:
        factor = (
            proofs.accepts_passkey(request, person, passkey)
            if passkey
            else proofs.accepts_code(request, person, request.POST.get("code", ""))
        )
    except TooManyAttempts as exc:
        response = _second_step(request, person, too_many_message(exc.retry_after), exc.status)
        response.headers["Retry-After"] = str(exc.retry_after)
        return response
    if factor:
        second_step.finish(request, person, half, factor)
        entered = HttpResponseRedirect(half.next_url)
        devices.remember(request, entered, person.username)
        return entered
    refusal = asked_again.wrong_passkey() if passkey else asked_again.wrong_code()
    return _second_step(request, person, refusal, UNPROCESSABLE)


def _second_step(request: Request, person: User, refusal: str = "", status: int = 200) -> HttpResponse:
    if refusal:
        is_limit = status == TooManyAttempts.status
        events.record(request, audit.LIMIT if is_limit else audit.LOG_IN, person, reason="ProofRefused")
    context = {"refusal": refusal, "asks_passkey": enrolled.has_passkey(person), "has_app": enrolled.has_app(person)}
    context |= passkeys.offer(request, reverse("login"))
    return render(request, "factors/second_step.html", context, status=status)


@login_not_required
@require_POST
def passkey_options_to_log_in(request: Request) -> HttpResponse:
    """What the browser needs for a passkey in place of a password, or as the second step that is due.

    One for a stranger leaves a session: how many there can be from one address is limited.
    """
    if not passkeys.host_of(request):
        raise Http404
    if found := second_step.find(request):
        return JsonResponse(passkeys.options_to_use(request, found[0]))
    try:
        limiter.reserve_challenge(request.client_address)
    except TooManyAttempts as exc:
        events.record(request, audit.LIMIT, reason=type(exc).__name__)
        return JsonResponse({"message": too_many_message(exc.retry_after)}, status=exc.status)
    return JsonResponse(passkeys.options_to_use(request))


@login_not_required
@require_POST
@sensitive_post_parameters()
def passkey_log_in(request: Request) -> HttpResponse:
    """Log in with a passkey alone: the device has verified the person, so it is two factors by itself."""
    person = None if settings.OIDC_ONLY else proofs.person_of_passkey(request, request.POST.get("passkey", ""))
    if person is None:
        events.record(request, audit.LOG_IN, reason=PasskeyRefused.__name__)
        return redirect_to_log_in(PASSKEY_REFUSED)
    limiter.forgive_challenge(request.client_address)
    second_step.log_in(request, person, time_zone=request.POST.get("time_zone", ""), factor=proofs.PASSKEY)
    entered = HttpResponseRedirect(requested_next_url(request) or reverse("dashboard"))
    devices.remember(request, entered, person.username)
    return entered


@require_http_methods(["GET", "POST"])
@sensitive_post_parameters()
def prove(request: Request) -> HttpResponse:
    """Who somebody is, before something is opened that asks."""
    next_url = requested_next_url(request) or reverse("dashboard")
    name = _name_of(next_url)
    if request.method == "POST":
        return asked_again.prove_or_ask(request, name) or HttpResponseRedirect(next_url)
    return asked_again.question_before(request, next_url, name)


def _name_of(next_url: str) -> str:
    """Return what the URL of an address of this console is called, "" for none."""
    try:
        return resolve(urlsplit(next_url).path).url_name or ""
    except Resolver404:
        return ""
