"""The log-in by factors: the second step after a password, and a passkey in place of one."""

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from apikeys import audit
from apikeys.exceptions import TooManyAttempts
from apikeys.identity.request import Request
from apikeys.services.messages import sentence
from apikeys.web.navigation import requested_next_url
from apikeys.web.responses import UNPROCESSABLE, with_retry_after
from console.factors import asked_again, enrolled, passkeys, proofs, second_step
from console.factors.changes import PasskeyRefused
from console.log_in import devices, events, limiter
from console.models import User

# In the address of the log-in page, which says why it is shown: a message would leave a session with each stranger.
LATE, PASSKEY_REFUSED = "late=1", "passkey=1"


@login_not_required
@require_http_methods(["GET", "POST"])
@sensitive_post_parameters()
def second_step_page(request: Request) -> HttpResponse:
    """The second step of a log-in: a passkey, a code of the app, or a recovery code."""
    found = second_step.find(request)
    if found is None:
        return _to_log_in(LATE)
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
        events.record_limit(request, exc, person)
        return with_retry_after(_second_step(request, person, sentence(exc), exc.status), exc)
    if factor:
        second_step.finish(request, person, half, factor)
        entered = HttpResponseRedirect(half.next_url)
        devices.remember(request, entered, person.username)
        return entered
    events.record(request, audit.LOG_IN, person, reason="ProofRefused")
    refusal = asked_again.wrong_passkey() if passkey else asked_again.wrong_code()
    return _second_step(request, person, refusal, UNPROCESSABLE)


def _second_step(request: Request, person: User, refusal: str = "", status: int = 200) -> HttpResponse:
    context = {"refusal": refusal, "asks_passkey": enrolled.has_passkey(person), "has_app": enrolled.has_app(person)}
    context |= passkeys.offer(request, reverse("login"))
    return render(request, "factors/second_step.html", context, status=status)


@login_not_required
@require_POST
def passkey_options_to_log_in(request: Request) -> HttpResponse:
    """What the browser needs for a passkey in place of a password, or as the second step that is due.

    One for a stranger leaves a session: how many there can be from one address, or on one known device, is limited.
    """
    if not passkeys.host_of(request):
        raise Http404
    if found := second_step.find(request):
        return JsonResponse(passkeys.options_to_use(request, found[0]))
    try:
        limiter.reserve_challenge(request.client_address, devices.device_of_anybody(request))
    except TooManyAttempts as exc:
        events.record_limit(request, exc)
        return with_retry_after(JsonResponse({"message": sentence(exc)}, status=exc.status), exc)
    return JsonResponse(passkeys.options_to_use(request))


@login_not_required
@require_POST
@sensitive_post_parameters()
def passkey_log_in(request: Request) -> HttpResponse:
    """Log in with a passkey alone: the device has verified the person, so it is two factors by itself."""
    person = None if settings.OIDC_ONLY else proofs.person_of_passkey(request, request.POST.get("passkey", ""))
    if person is None:
        events.record(request, audit.LOG_IN, reason=PasskeyRefused.__name__)
        return _to_log_in(PASSKEY_REFUSED)
    limiter.forgive_challenge(request.client_address, devices.device_of_anybody(request))
    second_step.log_in(request, person, time_zone=request.POST.get("time_zone", ""), factor=proofs.PASSKEY)
    entered = HttpResponseRedirect(requested_next_url(request) or reverse("dashboard"))
    devices.remember(request, entered, person.username)
    return entered


def _to_log_in(mark: str) -> HttpResponse:
    """Return a redirect to the log-in page, which says what the mark stands for."""
    return HttpResponseRedirect(f"{reverse('login')}?{mark}")
