"""The limits on attempts to log in: each is counted before its secret is looked at.

An attempt is reserved by atomic statements, so that parallel guesses can't all slip through between a check and its
record. What strangers do is counted by their address and by whom they try; what is done on a device that the person
logged in on before is counted by that device alone, so that no stranger can keep the person out there. Addresses,
devices and user IDs are stored as keyed hashes only.

Whatever writes several counters locks their rows in the order of `reserve`: an address, the networks around it from
narrow to wide, a person from there, and then attempts in a row. Else two log-ins could wait for each other.
"""

import hashlib
import hmac
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Q
from django.utils import timezone

from apikeys.clocks import CLOCK_TOLERANCE
from apikeys.exceptions import TooManyAttempts
from apikeys.networks import network_of
from apikeys.sealing import secret_keys
from console.addresses import networks_around
from console.models import LoginCounter, LoginStreak

# Of attempts in a row without a success, over all addresses: what passes between two that are looked at.
SPACED = timedelta(seconds=10)
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=1)
# When they are forgotten after the last one. Few are forgotten soon: user IDs that are invented cost an attempt each.
FEW = 10
FORGET_FEW, FORGET_MANY = timedelta(days=1), timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Attempt:
    """From where somebody tries a secret, and whose; without a person it is counted by the address alone."""

    address: str
    about: str = field(repr=False)  # a user ID; of other secrets, what tells them apart
    is_person: bool = True
    device: str = field(default="", repr=False)  # one that the person logged in on before, "" for any other


def reserve(attempt: Attempt) -> None:
    """Count an attempt. Raises TooManyAttempts where a limit is reached: the secret must not be looked at then."""
    with transaction.atomic():  # one wait for the disk; what was counted stays, also of an attempt that is refused
        wait = _reserve_on_device(attempt) if attempt.device else _reserve(attempt)
    if wait:
        raise TooManyAttempts(wait)


def forgive(attempt: Attempt) -> None:
    """Give the attempts back after a success. One on a known device says nothing about those of strangers."""
    with transaction.atomic():
        if not attempt.device:
            _take_back(_addresses("address", attempt.address))
        LoginCounter.objects.filter(subject=_pair(attempt)).delete()
        LoginStreak.objects.filter(subject=_streak(attempt)).delete()


def give_back(attempt: Attempt) -> None:
    """Take back an attempt that was not judged: it told nothing of the secret."""
    with transaction.atomic():
        _take_back([*([] if attempt.device else _addresses("address", attempt.address)), _pair(attempt)])
        LoginStreak.objects.filter(subject=_streak(attempt), attempts__gt=0).update(attempts=F("attempts") - 1)


def reserve_factor(iam_id: str, factor: str, device: str = "") -> None:
    """Count one attempt of a person with one kind of second factor: on a known device, or from wherever else.

    Whoever has a password tries codes from everywhere, so they are few in a window, and slower after many in a row.
    Raises TooManyAttempts.
    """
    with transaction.atomic():
        wait = _count(_subject("factor", factor, iam_id, device), settings.FACTOR_ATTEMPTS)
        wait = wait or _count_in_a_row(_subject("factor in a row", factor, iam_id, device))
    if wait:
        raise TooManyAttempts(wait)


def forgive_factor(iam_id: str, factor: str, device: str = "") -> None:
    """Give the attempts back after one that was right."""
    with transaction.atomic():
        LoginCounter.objects.filter(subject=_subject("factor", factor, iam_id, device)).delete()
        LoginStreak.objects.filter(subject=_subject("factor in a row", factor, iam_id, device)).delete()


def reserve_challenge(address: str, device: str = "") -> None:
    """Count a log-in that somebody begins without a user ID, by passkey or elsewhere: each leaves a session.

    On a device that anybody logged in on before it is counted by that alone: nobody else at its address takes its room.
    Raises TooManyAttempts.
    """
    with transaction.atomic():
        if device:
            wait = _count(_subject("challenge on device", device), settings.LOGIN_ATTEMPTS_PER_USER_AND_ADDRESS)
        else:
            wait = _count_address("challenge", address)
    if wait:
        raise TooManyAttempts(wait)


def take_once(challenge: str) -> bool:
    """Tell whether nobody has taken this challenge before, in any process; it must be over within the window."""
    return not _count(_subject("taken", challenge), 1)


def forgive_challenge(address: str, device: str = "") -> None:
    """Take back one that led to a log-in: many people may share an address."""
    with transaction.atomic():
        _take_back([_subject("challenge on device", device)] if device else _addresses("challenge", address))


def forget_ended() -> None:
    """Remove counters whose window is over, and rows of attempts that nobody has added to for long."""
    now = timezone.now()
    counters = LoginCounter.objects.filter(Q(ends_at__lte=now) | Q(ends_at__gt=_last_end(now)))
    streaks = LoginStreak.objects.filter(Q(ends_at__lte=now) | Q(ends_at__gt=now + FORGET_MANY + CLOCK_TOLERANCE))
    for ended in (counters, streaks):
        if ended.exists():  # most sweeps find nothing and must not take the write lock
            # A row that somebody has locked is counted on, and is not waited for with others in hand.
            with transaction.atomic():
                free = ended.select_for_update(skip_locked=True).values("subject")
                ended.model.objects.filter(subject__in=free).delete()


def _reserve(attempt: Attempt) -> int:
    """Count an attempt on a device that is not known; return the seconds to wait, 0 within all limits."""
    if wait := _count_address("address", attempt.address):
        return wait
    if wait := _count(_pair(attempt), settings.LOGIN_ATTEMPTS_PER_USER_AND_ADDRESS):
        return wait
    return _count_in_a_row(_streak(attempt)) if attempt.is_person else 0


def _count_address(kind: str, address: str) -> int:
    """Count something of an address and of the networks around it; return the seconds to wait, 0 within all limits."""
    networks = list(networks_around(address))
    limits = {_subject(kind, network): settings.LOGIN_ATTEMPTS_PER_ADDRESS * times for network, times in networks}
    # An address beyond its limit can't make another row for each user ID that it invents, and a wide network beyond its
    # limit no other row for each narrow one; but what is refused to a narrow one is not counted against its neighbours.
    narrow, *wide = limits
    if wait := _waits({subject: limits[subject] for subject in wide}):
        return wait
    for subject in (narrow, *wide):
        if wait := _count(subject, limits[subject]):
            return wait
    return 0


def _reserve_on_device(attempt: Attempt) -> int:
    return _count(_pair(attempt), settings.LOGIN_ATTEMPTS_PER_USER_AND_ADDRESS) or _count_in_a_row(_streak(attempt))


def _addresses(kind: str, address: str) -> list[str]:
    """Return the counters of an address and of the networks around it, in the order in which they are locked."""
    return [_subject(kind, network) for network, _times in networks_around(address)]


def _take_back(subjects: list[str]) -> None:
    """Take one attempt back from each counter, one after the other: a statement for all has an order of its own."""
    for subject in subjects:
        LoginCounter.objects.filter(subject=subject, attempts__gt=0).update(attempts=F("attempts") - 1)


def _pair(attempt: Attempt) -> str:
    if attempt.device:
        return _subject("device", attempt.about, attempt.device)
    return _subject("user", attempt.about, network_of(attempt.address))


def _streak(attempt: Attempt) -> str:
    return _subject("streak", attempt.about, attempt.device)


def person_tags(user_id: str) -> list[str]:
    """Return what stands for a user ID, however it is spelled, in a cookie: now, and under each secret of before."""
    return [_subject("person", user_id, secret=secret)[:16] for secret in secret_keys()]


def folded(text: str) -> str:
    """Return what a user ID has in common with its other spellings, which get no attempts of their own.

    Django takes user IDs in NFKC; nobody can have one that is folded like that of somebody else.
    """
    return unicodedata.normalize("NFKC", text).casefold().strip()


def _subject(*parts: str, secret: str = "") -> str:
    kind, *rest = parts
    text = "\0".join([kind, *map(folded, rest)])
    return hmac.new(
        (secret or settings.SECRET_KEY).encode(), text.encode("utf-8", "replace"), hashlib.sha256
    ).hexdigest()


def _waits(limits: dict[str, int]) -> int:
    """Return the seconds to wait for counters that are used up already, 0 where none is."""
    if not limits:
        return 0
    now = timezone.now()
    rows = LoginCounter.objects.filter(subject__in=limits, ends_at__gt=now, ends_at__lte=_last_end(now))
    return max((_seconds(row.ends_at - now) for row in rows if row.attempts >= limits[row.subject]), default=0)


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
    return _seconds(ends - now)


def _last_end(now: datetime) -> datetime:
    """Return the latest end that a window can have, by the clock of any server that shares the database."""
    return now + timedelta(seconds=settings.LOGIN_WINDOW_SECONDS) + CLOCK_TOLERANCE


def _count_in_a_row(subject: str) -> int:
    """Count one more attempt without a success, if it is time for one; return the seconds to wait, 0 where it was.

    Only those that are looked at count: who is refused and goes on does not make the pauses longer.
    """
    now = timezone.now()
    adapt = connection.ops.adapt_datetimefield_value
    pauses = list(_pauses())
    # As for windows: what lies further ahead than it can was written before the clock was set back.
    over = "(c.ends_at <= %s OR c.ends_at > %s)"
    is_over = [adapt(now), adapt(now + FORGET_MANY + CLOCK_TOLERANCE)]
    next_at = " ".join("WHEN c.attempts < %s THEN %s" for _pause in pauses)
    latest = " ".join("WHEN c.attempts <= %s THEN %s" for _pause in pauses)
    table = connection.ops.quote_name(LoginStreak._meta.db_table)
    first_pause = next(pause for attempts, pause in pauses if attempts > 0)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} AS c (subject, attempts, next_at, ends_at) VALUES (%s, 1, %s, %s)"  # nosec B608  # names of this module
            " ON CONFLICT (subject) DO UPDATE SET"
            f" attempts = CASE WHEN {over} THEN 1 ELSE c.attempts + 1 END,"
            f" next_at = CASE WHEN {over} THEN excluded.next_at {next_at} ELSE %s END,"
            f" ends_at = CASE WHEN {over} OR c.attempts + 1 < {FEW} THEN excluded.ends_at ELSE %s END"
            f" WHERE {over} OR c.attempts <= %s OR c.next_at <= %s OR c.next_at > CASE {latest} ELSE %s END"
            " RETURNING attempts",
            [
                *(subject, adapt(now + first_pause), adapt(now + FORGET_FEW)),
                *is_over,
                *is_over,
                *(part for attempts, pause in pauses for part in (attempts, adapt(now + pause))),
                adapt(now + LONGEST_PAUSE),
                *is_over,
                adapt(now + FORGET_MANY),
                *is_over,
                pauses[0][0],  # after these nothing has to pass: of two at once the later may have the earlier `now`
                adapt(now),
                *(part for attempts, pause in pauses for part in (attempts, adapt(now + pause + CLOCK_TOLERANCE))),
                adapt(now + LONGEST_PAUSE + CLOCK_TOLERANCE),
            ],
        )
        if cursor.fetchone():
            return 0
    found = LoginStreak.objects.filter(subject=subject).values_list("next_at", flat=True).first() or now
    return _seconds(found - now)


def _pauses() -> Iterator[tuple[int, timedelta]]:
    """Yield how long to wait after an attempt that fewer than a number came before; beyond them it is LONGEST_PAUSE."""
    limit = settings.LOGIN_ATTEMPTS_PER_USER
    yield min(settings.LOGIN_ATTEMPTS_PER_USER_AND_ADDRESS, limit) - 1, timedelta(0)
    yield limit - 1, SPACED
    pause = FIRST_PAUSE
    while pause < LONGEST_PAUSE:
        yield limit, pause
        limit, pause = limit + 1, pause * 2


def _seconds(wait: timedelta) -> int:
    return int(wait.total_seconds()) + 1
