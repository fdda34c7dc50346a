"""People who log in upstream: who they are, their accounts, and why IAM refused them."""

import re
from dataclasses import dataclass, field
from enum import StrEnum

from django.conf import settings

from apikeys.exceptions import ApiKeyError, BackendUnavailable, LogInRefused
from apikeys.exceptions import gettext_noop as _
from apikeys.iam.claims import account_of, claim, claims_of
from apikeys.iam.client import IAMClient, IAMError, TokenPair
from apikeys.iam.transport import NOT_IAM
from apikeys.upstream import discovery, slots
from apikeys.upstream.errors import error_of
from apikeys.upstream.sessions import IAMAccess

ACCOUNT_LOCKED = re.compile(r"(?<!b)(?<!un)locked")  # not blocked, not unlocked
FEDERATED = re.compile("federat|passcode")
SECOND_FACTOR = re.compile("factor|mfa|2fa|totp|verisign|security[ _]?question")


class LoginMethod(StrEnum):
    """What a person logs in with."""

    PASSWORD = "password"  # noqa: S105  (a word of the page, not a secret)
    PASSCODE = "passcode"
    API_KEY = "apikey"


REFUSALS = {
    LoginMethod.PASSWORD: _(
        "%(host)s refused this user ID and password. Check them and try again. If you log in through your company, "
        "use a one-time passcode instead."
    ),
    LoginMethod.PASSCODE: _(
        "%(host)s refused this passcode. A passcode works once and expires soon. Get a new one, then try again."
    ),
    LoginMethod.API_KEY: _("%(host)s has no usable API key with this value. It may be disabled, expired, or deleted."),
}
LOCKED_WORDS = _(
    "%(host)s has locked this account after too many attempts. Wait, or ask to have it unlocked, then try again."
)
FEDERATED_WORDS = _("You log in to %(host)s through your company. Use a one-time passcode instead of your password.")
SECOND_FACTOR_WORDS = _(
    "%(host)s requires a second factor, which this console can't ask for. Use a one-time passcode or an API key."
)
OTHER_WORDS = _("%(host)s refused the log-in: %(text)s")


@dataclass(frozen=True, slots=True)
class LoginResult:
    """Who has logged in, and their tokens. `account_id` is "" where they belong to several accounts."""

    pair: TokenPair = field(repr=False)
    iam_id: str
    name: str
    email: str
    account_id: str


def log_in(method: LoginMethod, *, address: str, deadline: float, secret: str, username: str = "") -> LoginResult:
    """Exchange what a person gave for tokens. `secret` is the password, the passcode or the value of a key.

    Nothing is waited for beyond `deadline`, in seconds of time.monotonic.
    Raises LogInRefused, BackendUnavailable, BackendBusy.
    """
    client = IAMClient(settings.IAM_URL, deadline=deadline)
    with slots.hold_for_login(address):
        try:
            if method is LoginMethod.PASSWORD:
                pair = client.log_in_with_password(username, secret)
            elif method is LoginMethod.PASSCODE:
                pair = client.log_in_with_passcode(secret)
            else:
                pair = client.log_in_with_api_key(secret)
        except IAMError as exc:
            raise _refusal(method, exc) from None
    return _result(pair)


def _result(pair: TokenPair) -> LoginResult:
    claims = claims_of(pair.access_token)
    iam_id = claim(claims, "iam_id")
    if not 0 < len(iam_id) <= 64:
        raise BackendUnavailable(NOT_IAM)
    return LoginResult(
        pair=pair,
        iam_id=iam_id,
        name=claim(claims, "name") or f"{claim(claims, 'given_name')} {claim(claims, 'family_name')}".strip(),
        email=claim(claims, "email"),
        account_id=account_of(pair.access_token),
    )


def _refusal(method: LoginMethod, exc: IAMError) -> ApiKeyError:
    host = settings.IAM_HOST
    if exc.status >= 500:
        return error_of(exc)
    said = f"{exc.code} {exc} {exc.detail} {exc.requirement}".casefold()
    if ACCOUNT_LOCKED.search(said):
        return LogInRefused(LOCKED_WORDS, host=host)
    if method is LoginMethod.PASSWORD:
        if SECOND_FACTOR.search(said):
            return LogInRefused(SECOND_FACTOR_WORDS, host=host)
        if FEDERATED.search(said):
            return LogInRefused(FEDERATED_WORDS, host=host)
    if exc.status in (400, 401):
        return LogInRefused(REFUSALS[method], host=host)
    return LogInRefused(OTHER_WORDS, host=host, text=str(exc))


def accounts(access: IAMAccess) -> list[tuple[str, str]]:
    """Return id and name of the person's accounts, [] without an account service or without its answer."""
    if not settings.ACCOUNTS_URL:
        return []
    try:
        with slots.hold(access.iam_id):
            client = IAMClient(settings.IAM_URL, access.token(), deadline=access.deadline)
            return client.list_accounts(settings.ACCOUNTS_URL)
    except (IAMError, BackendUnavailable):
        return []


def offered_methods() -> list[LoginMethod]:
    """Return how people can log in upstream, as far as it is known by now: a page does not wait for the answer."""
    may_have_passcodes = discovery.offer.passcode_url != ""
    return [method for method in LoginMethod if may_have_passcodes or method is not LoginMethod.PASSCODE]
