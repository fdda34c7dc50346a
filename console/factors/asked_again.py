"""Asked again: who changes much proves once more who they are, when the last proof is some minutes old.

The question has what was sent in hidden fields, and is answered to the same address: nothing waits anywhere, nothing
that was typed or ticked is lost, and the change goes on where the proof is right. It works in a page, in a dialog, and
without script. What takes access away from keys, or wipes a value, is not guarded: it must never wait.
"""

from typing import Any

from django.conf import settings
from django.http import HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables
from django_htmx.http import reswap, retarget

from apikeys import audit
from apikeys.backends import store_traits
from apikeys.exceptions import TooManyAttempts
from apikeys.identity.request import Request
from apikeys.services.messages import sentence
from apikeys.web.navigation import next_url_of, redirect_whole_page
from apikeys.web.responses import UNPROCESSABLE, with_retry_after
from console.cookies import GetResponse
from console.factors import enrolled, passkeys, proofs, recovery
from console.log_in import events
from console.models import User
from console.navigation import LIST, page_above

# By the name of their URL: what asks when it is sent, and what asks when it is opened, too.
OF_FACTORS = frozenset(
    {
        *("factors_app", "factors_app_remove", "factors_recovery", "passkey_add", "passkey_remove"),
        *("single_sign_on_connect", "single_sign_on_disconnect"),
    }
)
# What makes a way in that outlives a session. A password proves too little for it where somebody has a factor: whoever
# has it, and found a session open, would come back without the factor.
WAYS_IN = OF_FACTORS | {
    *("passcode", "person_create", "person_details", "person_activate", "person_link", "person_reset_factors")
}
GUARDED = OF_FACTORS | {
    *("api_key_create", "service_id_create", "api_key_rotate", "passcode"),
    *("api_key_delete", "service_id_delete", "scope_delete"),
    *("api_key_unlock", "service_id_unlock", "api_key_enable", "service_id_enable", "api_key_restore"),
    *("api_key_export", "activity_export", "api_keys_bulk", "api_keys_revoke", "api_keys_revoke_everybody"),
    *("person_create", "person_details", "person_deactivate", "person_activate", "person_link", "person_delete"),
    *("person_reset_factors", "mails", "session_end", "sessions_end", "person_session_end", "person_sessions_end"),
    *("rules", "review_rules", "scope_list", "scope_edit"),
    *("webhook_create", "webhook_details", "webhook_secret", "webhook_delete", "webhook_again", "webhook_since"),
    "webhook_test",
}
OPENED = frozenset({"factors_app", "passkey_add", "api_key_export", "activity_export", "single_sign_on_connect"})
# Where Cancel leads from what is in no menu, and from the one page that is sent to itself below another.
FROM = {
    **dict.fromkeys(OF_FACTORS, "factors"),
    **dict.fromkeys(("session_end", "sessions_end"), "sessions"),
    **{name: name for name in ("mails", "passcode", "review_rules")},
}
FACTOR_MINUTES = 15  # changes of factors ask even where a setting says that nothing else does
PASSWORD, CODE, PASSKEY = "proof_password", "proof_code", "proof_passkey"
USER = "proof_user"  # for password managers alone
FIELDS = (PASSWORD, CODE, PASSKEY)
WHICH = "prove"  # of the page that asks before something is opened


class AskedAgain:
    """Lets a guarded request through where the proof is fresh, or comes with it; else asks."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: Request) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: Request, view_func: Any, view_args: Any, view_kwargs: Any) -> HttpResponse | None:
        match = request.resolver_match
        name = (match.url_name or "") if match else ""
        if name not in GUARDED or not is_due(request, name):
            return None
        if request.method == "POST":
            return prove_or_ask(request, name)
        if name in OPENED:
            query = urlencode({"next": request.get_full_path()})
            return redirect_whole_page(request, HttpResponseRedirect(f"{reverse(WHICH)}?{query}"))
        return None


def is_due(request: Request, name: str) -> bool:
    """Tell whether what the URL of this name does needs a fresh proof. Upstream nothing does: no password is here."""
    minutes = settings.REAUTHENTICATE_MINUTES
    if name in OF_FACTORS:
        minutes = min(minutes or FACTOR_MINUTES, FACTOR_MINUTES)
    if not minutes or store_traits().is_upstream or not request.user.is_authenticated:
        return False
    since = proofs.seconds_since(request, weakly=not needs_factor(request.user, name))
    return not 0 <= since <= minutes * 60


def needs_factor(person: User, name: str) -> bool:
    """Tell whether a password proves too little for what the URL of this name does."""
    return name in WAYS_IN and enrolled.has_one(person)


def prove_or_ask(request: Request, name: str) -> HttpResponse | None:
    """Return None where the request brings a proof that is right, which is then noted; else the question.

    `name` is that of the URL that the proof is for.
    """
    try:
        factor, refusal = judged(request, name)
    except TooManyAttempts as exc:
        events.record_limit(request, exc, request.user)
        return with_retry_after(_question(request, name, sentence(exc), exc.status), exc)
    if factor:
        events.record(request, audit.PROOF, request.user, **proofs.told(request.user, factor))
        if factor == proofs.RECOVERY:
            recovery.tell_left(request, request.user)
        request.POST = _without_proof(request.POST)  # type: ignore[assignment]
        return None
    if refusal:
        events.record(request, audit.PROOF, request.user, reason="ProofRefused")
    return _question(request, name, refusal, UNPROCESSABLE if refusal else 200)


@sensitive_variables("password", "code")
def judged(request: Request, name: str) -> tuple[str, str]:
    """Return as what a proof was right, else "" and a sentence, which is "" where none came.

    Raises TooManyAttempts, HashingBusy.
    """
    password, code, passkey = (request.POST.get(name, "") for name in FIELDS)
    person: User = request.user
    if needs_factor(person, name):
        password = ""
    if not (password or code or passkey):
        return "", ""
    if passkey:
        factor, refusal = proofs.accepts_passkey(request, person, passkey), wrong_passkey()
    elif code:
        factor, refusal = proofs.accepts_code(request, person, code), wrong_code()
    else:
        factor = proofs.PASSWORD if proofs.accepts_password(request, person, password) else ""
        refusal = _("This is not your password. Try again.")
    if factor:
        proofs.remember(request, weakly=factor == proofs.PASSWORD)
    return factor, "" if factor else refusal


def wrong_passkey() -> str:
    return _("This passkey was not accepted. Try again, or use another way.")


def wrong_code() -> str:
    return _("This code is not right, or was used already. Wait for the next one, or use a recovery code.")


def question_before(request: Request, next_url: str, name: str) -> HttpResponse:
    """Return the question that is asked before a page is opened, to which the answer leads; `name` is its URL's."""
    context = {"sent": [("next", next_url)], "action": reverse(WHICH), "back": reverse("dashboard")}
    return render(request, "factors/asked_again.html", context | ways_of(request, name))


def ways_of(request: Request, name: str) -> dict[str, Any]:
    """Return by what a person can prove who they are, for a template; `name` is that of the URL that it is for."""
    person: User = request.user
    has_factor = enrolled.has_one(person)
    has_password = person.has_usable_password() and not settings.OIDC_ONLY and not needs_factor(person, name)
    has_provider = enrolled.identity_at_provider(person) is not None
    if needs_factor(person, name):  # one factor there proves as little as a password does
        has_provider = has_provider and bool(request.session.get(proofs.TWO_FACTORS))
    return {
        "asks_password": has_password,
        "asks_code": has_factor,
        "has_app": enrolled.has_app(person),
        "asks_passkey": enrolled.has_passkey(person),
        **passkeys.offer(request, "/"),
        "asks_provider": settings.OIDC_NAME if has_provider else "",
        "asks_nothing": not (has_factor or has_password or has_provider),
    }


def _question(request: Request, name: str, refusal: str, status: int) -> HttpResponse:
    """Return the question with all that was sent; for htmx as a dialog in place of one that is open."""
    sent = [(name, text) for name in _without_proof(request.POST) for text in request.POST.getlist(name)]
    context = {
        "sent": [(name, text) for name, text in sent if name != "csrfmiddlewaretoken"],
        "action": request.get_full_path(),
        "back": _back(request, name),
        "refusal": refusal,
        "begins_at_code": bool(request.POST.get(CODE)),
        **ways_of(request, name),
    }
    if not request.htmx:
        return render(request, "factors/asked_again.html", context, status=status)
    dialog = render(request, "factors/_asked_again.html", context, status=status)
    return reswap(retarget(dialog, "#dialog-slot"), "innerHTML")


def _back(request: Request, name: str) -> str:
    """Return where Cancel leads: to the page that somebody is on, as far as that can be known."""
    if name in FROM:
        return reverse(FROM[name])
    above = page_above(request.path, is_upstream=False)  # where nothing asks
    return next_url_of(request) if above.name == LIST else above.url  # with what that list shows


def _without_proof(sent: QueryDict) -> QueryDict:
    """Return what was sent without the proof, which no view is to see."""
    rest = sent.copy()
    for name in (*FIELDS, USER):
        rest.pop(name, None)
    rest._mutable = False
    return rest
