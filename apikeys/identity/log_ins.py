"""Log-ins of the command line: each is a family of refresh tokens that began with a password, and not with a key."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime

from django.utils import timezone

from apikeys.identity import tokens
from apikeys.identity.users import Person, password_stamp
from apikeys.models import FAMILY_LIFETIME, RefreshToken


@dataclass(frozen=True, slots=True)
class LogIn:
    """When one began, when it last got an access token, and from where and with what; "" where that is not known."""

    id: uuid.UUID
    began_at: datetime
    renewed_at: datetime
    address: str = ""
    agent: str = field(default="", repr=False)


def log_ins_of(person: Person) -> list[LogIn]:
    """Return those of a person that can still be renewed."""
    families: dict[uuid.UUID, list[RefreshToken]] = {}
    for row in _rows(person.iam_id).order_by("expires_at"):
        families.setdefault(row.family, []).append(row)
    stamp = password_stamp(person)
    return [_log_in_of(rows) for rows in families.values() if any(_works(row, stamp) for row in rows)]


def end(iam_id: str, family: uuid.UUID | None = None) -> int:
    """End a log-in of a person, all of them without one, with the access tokens; return how many were ended."""
    rows = _rows(iam_id)
    if family is not None:
        rows = rows.filter(family=family)
    families = set(rows.values_list("family", flat=True))
    for each in families:
        tokens.end_family(each)
    return len(families)


def _rows(iam_id: str) -> "tokens.RefreshTokens":
    return RefreshToken.objects.filter(iam_id=iam_id, api_key_id="")


def _works(row: RefreshToken, stamp: str) -> bool:
    lasts = timezone.now() < row.expires_at <= tokens.last_end()
    return row.used_at is None and lasts and row.password_stamp == stamp


def _log_in_of(rows: list[RefreshToken]) -> LogIn:
    newest = rows[-1]
    began_at = newest.family_ends_at - FAMILY_LIFETIME
    renewed_at = max([began_at, *(row.used_at for row in rows if row.used_at)])
    known = next((row for row in reversed(rows) if row.address is not None), newest)
    return LogIn(newest.family, began_at, renewed_at, known.address or "", known.agent or "")
