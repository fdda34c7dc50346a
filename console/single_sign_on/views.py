"""Off to the provider and back: to log in, to prove once more who one is, and to connect a user with somebody there."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_GET, require_POST

from apikeys import audit
from apikeys.exceptions import TooManyAttempts
from apikeys.identity.callers import caller_of
from apikeys.identity.request import Request
from apikeys.services.messages import sentence
from apikeys.web.navigation import requested_next_url
from console.factors import proofs, second_step
from console.log_in import devices, events, limiter
from console.single_sign_on import id_tokens, identities, provider, refusals, trips
from console.single_sign_on.id_tokens import Claims
from console.single_sign_on.provider import Tokens
from console.single_sign_on.refusals import (
    AnswerRefused,
    NotAskedAgain,
    ProviderRefused,
    SignOnRefused,
    SomebodyElse,
    TooManySignOns,
    TripUnknown,
)
from console.single_sign_on.trips import Purpose, Trip

MOVED = "moved"  # of a URL: the browser was led to the name that the provider knows
View = Callable[..., HttpResponse]

logger = logging.getLogger(__name__)


def where_it_is_on(view: View) -> View:
    """Let a view answer only where there is a provider."""

    @wraps(view)
    def checked(request: Request, *arguments: Any, **keywords: Any) -> HttpResponse:
        if not settings.OIDC_ISSUER:
            raise Http404
        return view(request, *arguments, **keywords)

    return checked


def by_own_act(view: View) -> View:
    """Let a trip begin by a link of the console's pages or a typed address alone, and by no page of somebody else."""

    @wraps(view)
    def checked(request: Request) -> HttpResponse:
        if request.META.get("HTTP_SEC_FETCH_SITE", "none") in ("none", "same-origin"):
            return view(request)
        if request.user.is_authenticated:
            return HttpResponseRedirect(reverse("factors"))
        return HttpResponseRedirect(f"{reverse('login')}?{urlencode({'next': _next_url(request)})}")

    return checked


@login_not_required
@require_GET
@where_it_is_on
@by_own_act
def start(request: Request) -> HttpResponse:
    """Begin a log-in. It leaves a session and may ask the provider: how many there are is limited."""
    next_url = _next_url(request)
    if request.user.is_authenticated:
        return HttpResponseRedirect(next_url)
    if moved := _to_public_name(request):
        return moved
    try:
        limiter.reserve_challenge(request.client_address, devices.device_of_anybody(request))
    except TooManyAttempts as exc:
        events.record_limit(request, exc)
        return _to_log_in(TooManySignOns(), next_url)
    try:
        return _to_provider(request, Purpose.LOG_IN, next_url=next_url)
    except SignOnRefused as exc:
        _log(exc)
        return _to_log_in(exc, next_url)


def _next_url(request: Request) -> str:
    return requested_next_url(request) or reverse("dashboard")


def _to_public_name(request: Request) -> HttpResponse | None:
    """Return a redirect to the name that the provider sends browsers back to: a session belongs to one name."""
    if settings.PUBLIC_URL.endswith(f"//{request.get_host()}") or MOVED in request.GET:
        return None
    query = urlencode({**request.GET.dict(), MOVED: "1"})
    return HttpResponseRedirect(f"{settings.PUBLIC_URL}{request.path}?{query}")


@require_GET
@where_it_is_on
@by_own_act
def prove(request: Request) -> HttpResponse:
    """Begin a trip to prove once more who somebody is; it is made in a window of its own, so that nothing is lost."""
    return _begin_logged_in(request, Purpose.PROVE)


@require_GET
@where_it_is_on
@by_own_act
def connect(request: Request) -> HttpResponse:
    """Begin a trip to find out with whom a user is to be connected."""
    return _begin_logged_in(request, Purpose.CONNECT)


def _begin_logged_in(request: Request, purpose: Purpose) -> HttpResponse:
    try:
        return _to_provider(request, purpose, person_id=request.user.pk)
    except SignOnRefused as exc:
        _log(exc)
        return _ended(request, purpose, exc)


def _to_provider(request: Request, purpose: Purpose, **about: Any) -> HttpResponse:
    provider.metadata()  # where it does not answer, no trip is begun
    state, trip = trips.begin(request, purpose, **about)
    return HttpResponseRedirect(provider.authorization_url(trip, state))


@login_not_required
@require_GET
@where_it_is_on
@sensitive_variables()
def callback(request: Request) -> HttpResponse:
    """Where the provider sends a browser back to. Each answer is a redirect: its URL holds a code and a state."""
    trip = trips.take(request, request.GET.get("state", ""))
    purpose = trip.purpose if trip else Purpose.LOG_IN
    try:
        if trip is None:
            raise TripUnknown
        tokens, claims = _answer(request, trip)
        return ENDS[purpose](request, trip, tokens, claims)
    except SignOnRefused as exc:
        _log(exc)
        if purpose is Purpose.LOG_IN or not request.user.is_authenticated:
            events.record(request, audit.LOG_IN, reason=type(exc).__name__)
            return _to_log_in(exc, trip.next_url if trip else "")
        events.record(request, audit.PROOF, request.user, reason=type(exc).__name__)
        return _ended(request, purpose, exc)


@sensitive_variables()
def _answer(request: Request, trip: Trip) -> tuple[Tokens, Claims]:
    """Return what the provider says of who came back. Raises SignOnRefused."""
    issuer = request.GET.get("iss")
    if issuer != settings.OIDC_ISSUER and (issuer is not None or provider.metadata().names_itself):
        raise AnswerRefused("the browser came back from another issuer")
    code = request.GET.get("code", "")
    if "error" in request.GET or not code:
        raise ProviderRefused
    tokens = provider.exchange(code, trip.verifier)
    return tokens, id_tokens.claims_of(tokens, trip.nonce)


@sensitive_variables()
def _log_in(request: Request, trip: Trip, tokens: Tokens, claims: Claims) -> HttpResponse:
    """Log the person in; the second step follows where they have a factor here, and the provider names but one."""
    id_tokens.check_age(claims, trip.began - settings.SESSION_COOKIE_AGE)
    person = identities.person_of(request, tokens, claims)
    limiter.forgive_challenge(request.client_address, devices.device_of_anybody(request))
    has_both = id_tokens.had_two_factors(claims)
    if person.has_second_factor and not has_both:
        events.note_first_step(request, person, by=identities.FACTOR)
        person.backend = settings.SIGN_ON_BACKEND
        second_step.begin(request, person, next_url=trip.next_url, time_zone="")
        return HttpResponseRedirect(reverse("second_step"))
    second_step.log_in(request, person, backend=settings.SIGN_ON_BACKEND, time_zone="")
    proofs.remember_elsewhere(request, id_tokens.authenticated_at(claims), has_both=has_both)
    entered = HttpResponseRedirect(trip.next_url)
    devices.remember(request, entered, person.username)
    return entered


@sensitive_variables()
def _prove(request: Request, trip: Trip, tokens: Tokens, claims: Claims) -> HttpResponse:
    """Note the proof of who is logged in: one factor there proves what a password does.

    Raises SomebodyElse, NotAskedAgain.
    """
    _check_asked(request, trip, claims)
    if identities.find(claims["sub"]) != request.user:
        raise SomebodyElse
    proofs.remember(request, weakly=not id_tokens.had_two_factors(claims))
    events.record(request, audit.PROOF, request.user, factor=identities.FACTOR)
    return _ended(request, Purpose.PROVE)


@sensitive_variables()
def _connect(request: Request, trip: Trip, tokens: Tokens, claims: Claims) -> HttpResponse:
    """Connect the user with who came back. Raises SomebodyElse, NotAskedAgain."""
    _check_asked(request, trip, claims)
    identities.connect(caller_of(request), request.user, claims["sub"])
    return _ended(request, Purpose.CONNECT)


def _check_asked(request: Request, trip: Trip, claims: Claims) -> None:
    """Check that the provider has asked somebody who they are since the trip began, for whoever is logged in."""
    asked_at = id_tokens.authenticated_at(claims)
    if not request.user.is_authenticated or request.user.pk != trip.person_id:
        raise SomebodyElse
    if asked_at is None or asked_at < trip.began - id_tokens.LEEWAY_SECONDS:
        raise NotAskedAgain


def _log(refusal: SignOnRefused) -> None:
    """Tell the operator which check has failed, which is nothing to the person."""
    if isinstance(refusal, AnswerRefused):
        logger.warning("Single sign-on was refused: %s", refusal.check)


def _to_log_in(refusal: SignOnRefused, next_url: str) -> HttpResponse:
    query = {refusals.PARAMETER: refusal.word} | ({"next": next_url} if next_url else {})
    return HttpResponseRedirect(f"{reverse('login')}?{urlencode(query)}")


def _ended(request: Request, purpose: Purpose, refusal: SignOnRefused | None = None) -> HttpResponse:
    """Return where a trip of somebody who is logged in ends."""
    if purpose is Purpose.CONNECT:
        if refusal:
            messages.error(request, sentence(refusal))
        else:
            messages.success(request, _("From now on you can log in with %(name)s.") % {"name": settings.OIDC_NAME})
        return HttpResponseRedirect(reverse("factors"))
    query = f"?{urlencode({refusals.PARAMETER: refusal.word})}" if refusal else ""
    return HttpResponseRedirect(f"{reverse('single_sign_on_proved')}{query}")


@require_GET
@where_it_is_on
def proved(request: Request) -> HttpResponse:
    """What came of a trip to prove who one is; the page that asked is in another window."""
    context = {"name": settings.OIDC_NAME, "refusal": refusals.told(request)}
    return render(request, "single_sign_on/proved.html", context)


@require_POST
@where_it_is_on
def disconnect(request: Request) -> HttpResponse:
    """End that the user can log in at the provider; their other sessions end."""
    identities.disconnect(caller_of(request), request.user)
    update_session_auth_hash(request, request.user)
    messages.success(request, _("You are no longer connected with %(name)s.") % {"name": settings.OIDC_NAME})
    return HttpResponseRedirect(reverse("factors"))


ENDS = {Purpose.LOG_IN: _log_in, Purpose.PROVE: _prove, Purpose.CONNECT: _connect}
