"""Log-ins at the IAM that keeps the keys: their tokens, sealed in the database, renewed and forgotten.

The key of the seal is made of SECRET_KEY and of the session's key, which only the browser's cookie holds.
A refresh token works once, so one process renews at a time, and the others take what it got.
"""

import hashlib
import json
import os
import time
from dataclasses import dataclass, field
from datetime import timedelta

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db.models import F, Q
from django.utils import timezone

from apikeys import bulkhead
from apikeys.exceptions import BackendRefused, BackendUnavailable, LogInAgain
from apikeys.exceptions import gettext_noop as _
from apikeys.iam import IAMClient, IAMError, TokenPair
from apikeys.models import IAMLogin

RENEW_SECONDS = 60  # before the access token runs out
LEASE = timedelta(seconds=20)  # a renewal takes less; after it another process may try
POLL_SECONDS = 0.05
IV_BYTES = 12

LATE = _("%(host)s did not answer in time.")


def begin(session_key: str, pair: TokenPair) -> None:
    """Keep the tokens of a log-in under its session's key."""
    digest = _digest(session_key)
    IAMLogin.objects.update_or_create(
        session_digest=digest, defaults={"sealed": _seal(session_key, pair), "renewing_until": None}
    )


def end(session_key: str) -> None:
    """Forget the tokens of a session."""
    IAMLogin.objects.filter(session_digest=_digest(session_key)).delete()


def forget_old() -> None:
    """Forget the tokens of sessions that are over."""
    old = IAMLogin.objects.filter(created_at__lt=timezone.now() - timedelta(seconds=settings.SESSION_COOKIE_AGE))
    if old.exists():  # most sweeps find nothing and must not take the write lock
        old.delete()


@dataclass(slots=True)
class IAMAccess:
    """The tokens of one session, for one request of its person; nothing is waited for beyond `deadline`."""

    session_key: str = field(repr=False)
    caller: str
    deadline: float  # in seconds of time.monotonic
    pair: TokenPair | None = field(default=None, repr=False)

    def token(self) -> str:
        """Return an access token that is good for a minute. Raises LogInAgain, BackendUnavailable."""
        pair = self.pair or self._stored()[1]
        if pair.expiration - time.time() < RENEW_SECONDS and pair.refresh_token:
            return self.renew(pair.access_token)
        self.pair = pair
        return pair.access_token

    def renew(self, refused: str) -> str:
        """Return another token than the one that was refused. Raises LogInAgain, BackendUnavailable."""
        return self._exchange(refused)

    def choose_account(self, account_id: str) -> TokenPair:
        """Return tokens for one of the person's accounts, and keep them.

        Raises BackendRefused for an account that is not theirs, LogInAgain, BackendUnavailable.
        """
        pair = self._stored()[1]
        with bulkhead.place(self.caller):
            self._exchange(pair.access_token, account_id)
        return self._stored()[1]

    def _exchange(self, refused: str, account_id: str = "") -> str:
        while True:
            row, pair = self._stored()
            if pair.access_token != refused and not account_id:  # somebody renewed; nobody else chose this account
                self.pair = pair
                return pair.access_token
            if not pair.refresh_token:
                raise self._over()
            if self._take_lease(row):
                break
            if time.monotonic() + POLL_SECONDS > self.deadline:
                raise BackendUnavailable(LATE, host=settings.IAM_HOST)
            time.sleep(POLL_SECONDS)
        try:
            client = IAMClient(settings.IAM_URL, deadline=self.deadline)
            self.pair = client.refresh(pair.refresh_token, account_id=account_id)
        except IAMError as exc:
            self._give_lease_back(row)
            if exc.status >= 500:
                raise BackendUnavailable(exc.message, **exc.params) from None
            if account_id:
                raise BackendRefused(exc.status, host=settings.IAM_HOST, text=str(exc), trace=exc.trace) from None
            raise self._over() from None
        IAMLogin.objects.filter(session_digest=row.session_digest).update(
            sealed=_seal(self.session_key, self.pair), version=F("version") + 1, renewing_until=None
        )
        return self.pair.access_token

    def _stored(self) -> tuple[IAMLogin, TokenPair]:
        row = IAMLogin.objects.filter(session_digest=_digest(self.session_key)).first()
        pair = _unseal(self.session_key, row) if row else None
        if row is None or pair is None:
            raise LogInAgain(host=settings.IAM_HOST)
        return row, pair

    def _take_lease(self, row: IAMLogin) -> bool:
        """Tell whether it is for this process to renew: in one statement, so that no two do."""
        now = timezone.now()
        free = Q(renewing_until=None) | Q(renewing_until__lt=now)
        mine = IAMLogin.objects.filter(free, session_digest=row.session_digest, version=row.version)
        return mine.update(renewing_until=now + LEASE) == 1

    def _give_lease_back(self, row: IAMLogin) -> None:
        IAMLogin.objects.filter(session_digest=row.session_digest, version=row.version).update(renewing_until=None)

    def _over(self) -> LogInAgain:
        end(self.session_key)
        return LogInAgain(host=settings.IAM_HOST)


def _digest(session_key: str) -> str:
    return hashlib.sha256(session_key.encode()).hexdigest()


def _seal(session_key: str, pair: TokenPair) -> bytes:
    vector = os.urandom(IV_BYTES)
    text = json.dumps([pair.access_token, pair.refresh_token, pair.expiration])
    return vector + _cipher(session_key).encrypt(vector, text.encode(), None)


def _unseal(session_key: str, row: IAMLogin) -> TokenPair | None:
    """Return the tokens, or None where SECRET_KEY is no longer the one that sealed them."""
    sealed = bytes(row.sealed)
    try:
        return TokenPair(*json.loads(_cipher(session_key).decrypt(sealed[:IV_BYTES], sealed[IV_BYTES:], None)))
    except InvalidTag:
        return None


def _cipher(session_key: str) -> AESGCM:
    key = HKDF(algorithm=SHA256(), length=32, salt=settings.SECRET_KEY.encode(), info=b"apikeys IAM log-in v1")
    return AESGCM(key.derive(session_key.encode()))
