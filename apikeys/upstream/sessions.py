"""Log-ins upstream: their tokens, sealed in the database, renewed and forgotten.

They are sealed under SECRET_KEY together with the session's key, which only the browser's cookie holds. A refresh token
works once, so one process renews at a time, and the others use its result. The account that the tokens are for is
written in the same statement, so that no page asks with one account's token for another's keys.
"""

import hashlib
import json
import time
from dataclasses import dataclass, field
from datetime import timedelta

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from apikeys.clocks import CLOCK_TOLERANCE
from apikeys.exceptions import ApiKeyError, BackendUnavailable, LogInAgain, NotAuthorized
from apikeys.exceptions import gettext_noop as _
from apikeys.iam.claims import account_of
from apikeys.iam.client import IAMClient, IAMError, TokenPair
from apikeys.iam.timeouts import RENEW_BEFORE_SECONDS
from apikeys.iam.transport import NOT_IN_TIME
from apikeys.models import StoredTokens
from apikeys.sealing import InvalidTag, cipher, seal, secret_keys, unseal_any
from apikeys.storage.reserve import revocation
from apikeys.upstream import slots
from apikeys.upstream.errors import error_of
from apikeys.upstream.timeouts import RENEWAL_LEASE, RENEWAL_POLL_SECONDS

PURPOSE = "apikeys IAM log-in v1"
NO_ACCESS = _("%(host)s gives you no access to this account.")


def begin(session_key: str, pair: TokenPair) -> None:
    """Store the tokens of a log-in, sealed under its session's key."""
    StoredTokens.objects.create(session_digest=_digest(session_key), **_contents(session_key, pair))


@revocation
def end(session_key: str) -> None:
    """Forget the tokens of a session."""
    StoredTokens.objects.filter(session_digest=_digest(session_key)).delete()


def end_stored(digest_start: str) -> None:
    """Forget the tokens of the session whose key's SHA-256 begins so, in hex; of a session that the caller knows."""
    after = f"{digest_start}g"  # behind all hexadecimal digits
    StoredTokens.objects.filter(session_digest__gte=digest_start, session_digest__lt=after).delete()


def forget_old() -> None:
    """Forget the tokens of sessions that have ended."""
    old = StoredTokens.objects.filter(created_at__lt=timezone.now() - timedelta(seconds=settings.SESSION_COOKIE_AGE))
    if old.exists():  # most sweeps find nothing and must not take the write lock
        old.delete()


@dataclass(slots=True)
class IAMAccess:
    """The tokens of one session, for one request of its person. All that a method waits for ends by `deadline`."""

    session_key: str = field(repr=False)
    iam_id: str
    deadline: float  # in seconds of time.monotonic
    _row: StoredTokens | None = field(default=None, repr=False)
    _pair: TokenPair | None = field(default=None, repr=False)

    @property
    def account_id(self) -> str:
        """The account that the tokens are for, "" where none was chosen yet. Raises LogInAgain."""
        return self._known()[0].account_id

    @property
    def sees_all(self) -> bool:
        """Whether IAM lists everybody's keys of the account. Raises LogInAgain."""
        return self._known()[0].sees_all

    def token(self) -> str:
        """Return an access token that works for a minute or more. Raises LogInAgain, BackendUnavailable."""
        pair = self._known()[1]
        if pair.expiration - time.time() < RENEW_BEFORE_SECONDS and pair.refresh_token:
            return self.renew(pair.access_token)
        return pair.access_token

    def renew(self, refused: str) -> str:
        """Return a new access token in place of the refused one. Raises LogInAgain, BackendUnavailable."""
        return self._exchange(refused=refused).access_token

    def choose_account(self, account_id: str) -> None:
        """Exchange the tokens for those of one of the person's accounts.

        Raises NotAuthorized for an account that is not theirs, BackendRefused, BackendUnavailable, LogInAgain.
        """
        with slots.hold(self.iam_id):
            self._exchange(account_id=account_id)
        if self.account_id != account_id:
            raise NotAuthorized(NO_ACCESS, host=settings.IAM_HOST)

    def detect_sees_all(self) -> None:
        """Ask whether IAM lists everybody's keys to the person; without an answer they see their own."""
        try:
            with slots.hold(self.iam_id):
                client = IAMClient(settings.IAM_URL, self.token(), deadline=self.deadline)
                client.api_key_page(account_id=self.account_id, scope="account", pagesize="1")
        except ApiKeyError:
            return
        row = self._known()[0]
        row.sees_all = True
        self._stored_version(row).update(sees_all=True)

    def _exchange(self, *, refused: str = "", account_id: str = "") -> TokenPair:
        """Use the refresh token, to replace the token `refused` or to change the account; return the new pair."""
        while True:
            row, pair = self._load()
            if refused and pair.access_token != refused:  # another process renewed it
                return pair
            if not pair.refresh_token:
                raise self._end_session()
            if self._take_lease(row):
                break
            if time.monotonic() + RENEWAL_POLL_SECONDS > self.deadline:
                raise BackendUnavailable(NOT_IN_TIME, host=settings.IAM_HOST)
            time.sleep(RENEWAL_POLL_SECONDS)
        try:
            client = IAMClient(settings.IAM_URL, deadline=self.deadline)
            pair = client.refresh(pair.refresh_token, account_id=account_id)
        except IAMError as exc:
            self._stored_version(row).update(renewing_until=None)
            if exc.status < 500 and not account_id:
                raise self._end_session() from None
            raise error_of(exc) from None
        # Where another process has written meanwhile, its pair is newer, and this writes nothing.
        self._stored_version(row).update(
            **_contents(self.session_key, pair, sees_all_of=row), version=F("version") + 1, renewing_until=None
        )
        return self._load()[1]

    def _known(self) -> tuple[StoredTokens, TokenPair]:
        return (self._row, self._pair) if self._row and self._pair else self._load()

    def _load(self) -> tuple[StoredTokens, TokenPair]:
        row = StoredTokens.objects.filter(session_digest=_digest(self.session_key)).first()
        pair = _unseal(self.session_key, row) if row else None
        if row is None or pair is None:
            raise LogInAgain(host=settings.IAM_HOST)
        self._row, self._pair = row, pair
        return row, pair

    def _stored_version(self, row: StoredTokens) -> "models.QuerySet[StoredTokens]":
        return StoredTokens.objects.filter(session_digest=row.session_digest, version=row.version)

    def _take_lease(self, row: StoredTokens) -> bool:
        """Take the lease for the renewal, and tell whether it was free: in one statement, so that two can't."""
        now = timezone.now()
        until = now + RENEWAL_LEASE
        # A lease from the future was taken before the clock was set back.
        free = Q(renewing_until=None) | Q(renewing_until__lt=now) | Q(renewing_until__gt=until + CLOCK_TOLERANCE)
        return self._stored_version(row).filter(free).update(renewing_until=until) == 1

    def _end_session(self) -> LogInAgain:
        end(self.session_key)
        return LogInAgain(host=settings.IAM_HOST)


def _contents(session_key: str, pair: TokenPair, *, sees_all_of: StoredTokens | None = None) -> dict[str, object]:
    """Return the columns that change with the tokens; `sees_all` stays as it was for the same account."""
    account_id = account_of(pair.access_token)
    sees_all = sees_all_of is not None and sees_all_of.account_id == account_id and sees_all_of.sees_all
    text = json.dumps([pair.access_token, pair.refresh_token, pair.expiration])
    sealed = seal(_cipher(session_key, settings.SECRET_KEY), text.encode(), "")
    return {"sealed": sealed, "account_id": account_id, "sees_all": sees_all}


def _unseal(session_key: str, row: StoredTokens) -> TokenPair | None:
    """Return the tokens, None where no SECRET_KEY that is known sealed them."""
    ciphers = (_cipher(session_key, secret) for secret in secret_keys())
    try:
        return TokenPair(*json.loads(unseal_any(ciphers, bytes(row.sealed), "")))
    except (InvalidTag, ValueError):
        return None


def _digest(session_key: str) -> str:
    return hashlib.sha256(session_key.encode()).hexdigest()


def _cipher(session_key: str, secret: str) -> AESGCM:
    return cipher(session_key, PURPOSE, salt=secret)
