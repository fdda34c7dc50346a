"""People who log in at the IAM that keeps the keys: who they are, their accounts, and why IAM refused them."""

import logging
import re
import threading
import time
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from django.conf import settings

from apikeys.exceptions import ApiKeyError, BackendUnavailable, LogInRefused
from apikeys.exceptions import gettext_noop as _
from apikeys.iam import payloads
from apikeys.iam.client import IAMClient, IAMError, TokenPair
from apikeys.iam.transport import NOT_IAM
from apikeys.upstream import slots
from apikeys.upstream.errors import error_of
from apikeys.upstream.sessions import IAMAccess
from apikeys.upstream.timeouts import REQUEST_SECONDS

logger = logging.getLogger(__name__)

DISCOVER_SECONDS, DISCOVER_AGAIN_SECONDS = 3600.0, 60.0
ACCOUNT_LOCKED = re.compile(r"(?<!b)(?<!un)locked")  # who is blocked for another reason is told that
FEDERATED = ("federat", "passcode")
SECOND_FACTOR = (
    "factor",
    "mfa",
    "2fa",
    "totp",
    "verisign",
    "security question",
    "security_question",
    "securityquestion",
)


class Way(StrEnum):
    """What a person logs in with."""

    PASSWORD = "password"  # noqa: S105  (a word of the page, not a secret)
    PASSCODE = "passcode"
    API_KEY = "apikey"


REFUSALS = {
    Way.PASSWORD: _(
        "%(host)s refused this user ID and password. Check them and try again. If you log in through your company, "
        "use a one-time passcode instead."
    ),
    Way.PASSCODE: _(
        "%(host)s refused this passcode. A passcode works once and expires soon. Get a new one, then try again."
    ),
    Way.API_KEY: _("%(host)s has no usable API key with this value. It may be disabled, expired, or deleted."),
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
class Arrival:
    """Somebody who has just logged in. `account_id` is "" where they belong to several accounts."""

    pair: TokenPair = field(repr=False)
    iam_id: str
    name: str
    email: str
    account_id: str


def log_in(way: Way, *, address: str, deadline: float, secret: str, username: str = "") -> Arrival:
    """Exchange what a person gave for tokens. `secret` is the password, the passcode or the value of a key.

    Nothing is waited for beyond `deadline`, in seconds of time.monotonic.
    Raises LogInRefused, BackendUnavailable, BackendBusy.
    """
    client = IAMClient(settings.IAM_URL, deadline=deadline)
    with slots.log_in_place(address):
        try:
            if way is Way.PASSWORD:
                pair = client.log_in_with_password(username, secret)
            elif way is Way.PASSCODE:
                pair = client.log_in_with_passcode(secret)
            else:
                pair = client.log_in_with_api_key(secret)
        except IAMError as exc:
            raise _refusal(way, exc) from None
    return _arrival(pair)


def _arrival(pair: TokenPair) -> Arrival:
    claims = payloads.claims_of(pair.access_token)
    iam_id = payloads.claim(claims, "iam_id")
    if not 0 < len(iam_id) <= 64:
        raise BackendUnavailable(NOT_IAM)
    return Arrival(
        pair=pair,
        iam_id=iam_id,
        name=payloads.claim(claims, "name")
        or f"{payloads.claim(claims, 'given_name')} {payloads.claim(claims, 'family_name')}".strip(),
        email=payloads.claim(claims, "email"),
        account_id=payloads.account_of(pair.access_token),
    )


def _refusal(way: Way, exc: IAMError) -> ApiKeyError:
    host = settings.IAM_HOST
    if exc.status >= 500:
        return error_of(exc)
    said = f"{exc.code} {exc} {exc.detail} {exc.requirement}".casefold()
    if ACCOUNT_LOCKED.search(said):
        return LogInRefused(LOCKED_WORDS, host=host)
    if way is Way.PASSWORD:
        if any(word in said for word in SECOND_FACTOR):
            return LogInRefused(SECOND_FACTOR_WORDS, host=host)
        if any(word in said for word in FEDERATED):
            return LogInRefused(FEDERATED_WORDS, host=host)
    if exc.status in (400, 401):
        return LogInRefused(REFUSALS[way], host=host)
    return LogInRefused(OTHER_WORDS, host=host, text=str(exc))


def accounts(access: IAMAccess) -> list[tuple[str, str]]:
    """Return id and name of the person's accounts, [] where there is nobody to ask or no answer."""
    if not settings.ACCOUNTS_URL:
        return []
    try:
        with slots.place(access.iam_id):
            client = IAMClient(settings.IAM_URL, access.token(), deadline=access.deadline)
            return client.list_accounts(settings.ACCOUNTS_URL)
    except (IAMError, BackendUnavailable):
        return []


@dataclass(slots=True)
class Discovered:
    """What IAM says of itself; `passcode_url` is None until it has said anything, and "" where it has no passcodes."""

    passcode_url: str | None = None


discovered = Discovered()


def offered_ways() -> list[Way]:
    """Return the ways to log in that IAM has, as far as it is known by now: a page does not wait for that."""
    return [way for way in Way if way is not Way.PASSCODE or discovered.passcode_url != ""]


def discover() -> None:
    """Ask IAM where one-time passcodes are to be had. Raises ApiKeyError."""
    client = IAMClient(settings.IAM_URL, deadline=time.monotonic() + REQUEST_SECONDS)
    found = str(client.discover().get("passcode_endpoint") or "")
    try:
        parts = urlsplit(found)
        # Whoever answers must not put another kind of link into the page.
        is_link = parts.scheme in ("https", urlsplit(settings.IAM_URL).scheme) and bool(parts.netloc)
    except ValueError:
        is_link = False
    discovered.passcode_url = found if is_link else ""


def keep_discovering() -> None:
    """Run in a thread of its own: ask each hour, and each minute until there is an answer."""
    pause = threading.Event()
    while True:
        try:
            discover()
        except ApiKeyError as exc:
            logger.warning("What %s offers can't be found out: %s", settings.IAM_HOST, exc)
        pause.wait(DISCOVER_SECONDS if discovered.passcode_url is not None else DISCOVER_AGAIN_SECONDS)
