"""The rate limit of log-ins: attempts are counted before the password is looked at.

An attempt is reserved by one atomic statement, so that parallel guesses can't all slip through between a
check and its record. Addresses and user IDs are stored as keyed hashes only.
"""

import hashlib
import hmac
import unicodedata
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection
from django.db.models import F, Q
from django.utils import timezone

from apikeys.clocks import CLOCK_TOLERANCE
from apikeys.exceptions import TooManyAttempts
from console.addresses import network_of
from console.models import LoginCounter


def reserve(username: str, address: str) -> None:
    """Count one attempt for the pair of user ID and address, and one for the address.

    Raises TooManyAttempts when either has used up its attempts; what the password was does not matter then.
    """
    # An address beyond its limit can't make another row for each user ID that it invents.
    if wait := _count(_subject("address", address), settings.LOGIN_ATTEMPTS_PER_ADDRESS):
        raise TooManyAttempts(wait)
    if wait := _count(_subject("user", username, address), settings.LOGIN_ATTEMPTS_PER_USER_AND_ADDRESS):
        raise TooManyAttempts(wait)


def forgive(username: str, address: str) -> None:
    """Give the attempts back after a log-in that succeeded."""
    LoginCounter.objects.filter(subject=_subject("user", username, address)).delete()
    LoginCounter.objects.filter(subject=_subject("address", address), attempts__gt=0).update(attempts=F("attempts") - 1)


def give_back(username: str, address: str) -> None:
    """Take back an attempt that was not judged, because upstream gave no answer: it told nothing of the password."""
    subjects = [_subject("user", username, address), _subject("address", address)]
    LoginCounter.objects.filter(subject__in=subjects, attempts__gt=0).update(attempts=F("attempts") - 1)


def reserve_factor(iam_id: str, factor: str) -> None:
    """Count one attempt of a person with one kind of second factor, from wherever. Raises TooManyAttempts."""
    if wait := _count(_subject("factor", factor, iam_id), settings.FACTOR_ATTEMPTS):
        raise TooManyAttempts(wait)


def forgive_factor(iam_id: str, factor: str) -> None:
    """Give the attempts back after one that was right."""
    LoginCounter.objects.filter(subject=_subject("factor", factor, iam_id)).delete()


def _subject(*parts: str) -> str:
    kind, *rest = parts
    rest[-1] = network_of(rest[-1])
    # Django takes user IDs in NFKC: other spellings of the same letters must not get attempts of their own.
    text = "\0".join([kind, *(unicodedata.normalize("NFKC", part).casefold().strip() for part in rest)])
    return hmac.new(settings.SECRET_KEY.encode(), text.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def _count(subject: str, limit: int) -> int:
    """Count one attempt; return the seconds to wait, 0 when the attempt is within the limit."""
    now = timezone.now()
    ends_at = now + timedelta(seconds=settings.LOGIN_WINDOW_SECONDS)
    adapt = connection.ops.adapt_datetimefield_value
    # A window that would end later began before the clock was set back: it is over.
    last_end = _last_end(now)
    table = connection.ops.quote_name(LoginCounter._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} AS c (subject, attempts, ends_at) VALUES (%s, 1, %s)"  # nosec B608  # the name of the model
            " ON CONFLICT (subject) DO UPDATE SET"
            " attempts = CASE WHEN c.ends_at <= %s OR c.ends_at > %s THEN 1 ELSE c.attempts + 1 END,"
            " ends_at = CASE WHEN c.ends_at <= %s OR c.ends_at > %s THEN excluded.ends_at ELSE c.ends_at END"
            " RETURNING attempts",
            [subject, adapt(ends_at), *[adapt(now), adapt(last_end)] * 2],
        )
        (attempts,) = cursor.fetchone()
    if attempts <= limit:
        return 0
    ends = LoginCounter.objects.filter(subject=subject).values_list("ends_at", flat=True).first() or ends_at
    return int((ends - now).total_seconds()) + 1


def _last_end(now: datetime) -> datetime:
    """Return the latest end that a window can have, by the clock of any server that shares the database."""
    return now + timedelta(seconds=settings.LOGIN_WINDOW_SECONDS) + CLOCK_TOLERANCE


def forget_ended() -> None:
    """Remove counters whose window is over."""
    now = timezone.now()
    ended = LoginCounter.objects.filter(Q(ends_at__lte=now) | Q(ends_at__gt=_last_end(now)))
    if ended.exists():  # most sweeps find nothing and must not take the write lock
        ended.delete()
