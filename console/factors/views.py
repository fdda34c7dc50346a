"""Account > Second factors, and the page that asks again before something is opened."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import Http404, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import Resolver404, resolve, reverse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apikeys.identity.callers import caller_of
from apikeys.identity.request import Request
from apikeys.services.messages import sentence
from apikeys.web.forms import sent_form
from apikeys.web.navigation import requested_next_url
from apikeys.web.responses import UNPROCESSABLE, shown_once
from console.brand import console_name
from console.factors import asked_again, changes, enrolled, passcodes, passkeys, proofs, totp
from console.factors.changes import CodeRefused, PasskeyRefused
from console.factors.forms import AppForm, PasskeyForm
from console.session_secrets import SessionSecret
from console.sessions import stored_key

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
        "qr_code": totp.qr_code(totp.uri_of(secret, request.user, console_name())),
        "secret": " ".join(groups),
    }
    return shown_once(request, "factors/app.html", context, UNPROCESSABLE if form.errors else 200)


@sensitive_variables("codes")
def _added(request: Request, codes: list[str]) -> HttpResponse:
    """Go on after a factor was set up: with the first one all sessions have ended but this one, and there are codes."""
    proofs.remember(request)
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
    return JsonResponse(passkeys.options_to_add(request, request.user, console_name()))


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
    context["passcode"] = passcodes.make(request.user, stored_key(request.session.session_key or ""))
    return shown_once(request, "factors/passcode.html", context)


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
