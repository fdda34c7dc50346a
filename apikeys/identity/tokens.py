"""Access tokens: what they are issued for, whom they stand for, and when they end.

A token ends with the key, the password or the person it was issued for, and when it is revoked: each check of one asks
the database.
"""

import hashlib
import logging
import secrets
import uuid
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from django.conf import settings
from django.contrib.auth import authenticate as django_authenticate
from django.db import Error, connection, transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from apikeys import audit, exceptions, scopes, values
from apikeys.audit import counted
from apikeys.backends.records import plan_pepper_move
from apikeys.clocks import CLOCK_SET_BACK
from apikeys.domain import (
    API_KEY_ID,
    IAM_ID,
    SCOPE_MAX_LENGTH,
    SERVICE_ID_PREFIX,
    Caller,
    Identity,
    Origin,
    Reason,
    UsedKey,
)
from apikeys.exceptions import gettext_noop as _
from apikeys.iam import oauth
from apikeys.identity import signing, users
from apikeys.identity.callers import caller_for
from apikeys.identity.lookups import (
    FoundValue,
    Source,
    find_both,
    find_source,
    find_value,
    previous_value,
    refusal_of_address,
)
from apikeys.identity.request import Request
from apikeys.identity.signing import Signed
from apikeys.models import RefreshToken, Revocation, ScopeRecord, family_end
from apikeys.storage.reserve import revocation
from apikeys.storage.statements import Row
from apikeys.usage import counting
from apikeys.usage.places import printable
from apikeys.values import mask_agent

REFRESH_LIFETIME = timedelta(hours=72)
NOWHERE = Origin()
REUSED = "RefreshTokenReused"  # the reason of an audit event
RefreshTokens = QuerySet[RefreshToken]
# What a key may come back from as it was.
PASSING = (Reason.PAUSED, Reason.DELETED, Reason.OWNER_INACTIVE, Reason.NETWORK)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a token stands for, and what it was made from: of a key, by value number `value_number`.

    `value_ends_at` is when that value can be used no more, as far as that is known; `scope` what the token may do.
    """

    identity: Identity
    grant_type: str
    api_key: UsedKey | None = None
    password_stamp: str = ""
    value_number: int = 1
    value_ends_at: datetime | None = None
    scope: str = ""

    @property
    def is_service(self) -> bool:
        return self.identity.iam_id.startswith(SERVICE_ID_PREFIX)


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whom a valid access token stands for, and what it may do: `scope` now, however wide it was when it was issued.

    `networks` are those of its key, which limit what the key makes as they limit the key.
    """

    identity: Identity
    claims: dict[str, Any]
    scope: str = ""
    networks: str = ""


@dataclass(frozen=True, slots=True)
class Family:
    """The refresh tokens of one log-in, each exchanged for the next, when the last of them ends, and its scope."""

    id: uuid.UUID = field(default_factory=uuid.uuid4)
    ends_at: datetime = field(default_factory=family_end)
    scope: str = ""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the token endpoint answers; `expiration` in unix seconds, `expires_in` in seconds."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expiration: int
    expires_in: int
    scope: str = ""


def authenticate(value: str, origin: Origin) -> Subject:
    """Return whom a key's value stands for, count this as a use of the key, and have it move to the newest pepper.

    Both are written later, by the sweeper: this only reads. White space, quotation marks and byte order marks around
    the value do not matter. Raises ValueNotFound, also for a key that is disabled, paused, expired or a decoy, whose
    owner is gone or deactivated, whose rotation has ended the value, or whose networks do not admit the address: such a
    refusal is counted, too.
    """
    return _used(find_value(_spellings(value), origin.network_address), origin)


def authenticate_for(access_token: str, value: str, origin: Origin) -> Subject:
    """Return what `authenticate` does to whom an access token stands for; the database is asked about both at once.

    Raises Unauthenticated, which is no use of the key, and ValueNotFound.
    """
    signed = signing.verified(access_token)
    source, found = find_both(_spellings(value), **_named_by(signed), address=origin.network_address)
    _identified(signed, source, origin, origin.address)
    return _used(found, origin)


def identify_and_find(access_token: str, value: str, origin: Origin) -> tuple[Bearer, Row | None]:
    """Return whom an access token stands for, and the columns of the record of a value, None where it is no key's.

    Both are asked at once, and no use is counted, save that of a decoy. A value that a service asks about for somebody
    at an address that its networks do not admit is no key's. Raises Unauthenticated.
    """
    signed = signing.verified(access_token)
    address = origin.used_from or None  # without one the record is described, as that of a disabled key is
    source, found = find_both([value], **_named_by(signed), whole=True, address=address)
    bearer = _identified(signed, source, origin, origin.address)
    if found is None:
        return bearer, None
    reason = found.refusal_at(address)
    if reason in (Reason.DECOY, Reason.NETWORK):
        counting.note_refusal(found.key, found.value_number, origin, reason)
    has_ended = found.is_deleted or (found.previous is not None and not found.previous.works)
    return bearer, None if has_ended or reason is Reason.NETWORK else found.record


def look_up(value: str) -> FoundValue | None:
    """Return what is known about a value, whatever its state, None where it is and was no key's; this is no use."""
    return find_value(_spellings(value))


def _spellings(value: str) -> list[str]:
    # Untrimmed first: a value that a person brought may begin or end with any character.
    return [text for text in dict.fromkeys((value, values.trimmed(value))) if text]


def _used(found: FoundValue | None, origin: Origin) -> Subject:
    if found is None:
        raise exceptions.ValueNotFound
    key, number, reason = found.key, found.value_number, found.refusal_at(origin.network_address)
    if reason is not None or found.holder is None:
        counting.note_refusal(key, number, origin, reason or Reason.OWNER_INACTIVE)
        raise exceptions.ValueNotFound
    counting.note(key, number, origin, plan_pepper_move(found.stored, key.id, found.value))
    return Subject(
        found.holder.identity,
        oauth.GRANT_API_KEY,
        api_key=key,
        value_number=number,
        value_ends_at=found.ends_at,
        scope=key.scope,
    )


def narrowed(subject: Subject, asked: str) -> Subject:
    """Return whom a token is asked for with this `scope`, all that the subject may do where it is empty.

    Raises PropertyRefused for a scope that there is not, and for one that is wider than the subject's.
    """
    scope = _asked_of(subject.scope, asked)
    return subject if scope == subject.scope else replace(subject, scope=scope)


def _asked_of(present: str, asked: str) -> str:
    wanted = scopes.asked(asked)
    if not wanted:
        return present
    if len(wanted) > SCOPE_MAX_LENGTH:
        raise exceptions.PropertyRefused("scope", _("These are too many scopes."))
    names = {*scopes.listed(wanted)} - {*scopes.BUILT_IN}
    if names and ScopeRecord.objects.filter(name__in=_storable(names)).count() < len(names):
        raise exceptions.PropertyRefused("scope", _("This server does not know such a scope."))
    if not scopes.covers(present, wanted):
        raise exceptions.PropertyRefused("scope", _("The scope is wider than that of the API key."))
    return wanted


def _storable(names: Iterable[str]) -> list[str]:
    """Return the names that can be those of scopes: databases refuse some characters."""
    return [name for name in names if scopes.NAME.fullmatch(name)]


def authenticate_any(spellings: list[str], origin: Origin) -> Subject:
    """Return whom the first of these stands for that is a key's value; counted like `authenticate`, once.

    Raises ValueNotFound.
    """
    for value in spellings:
        with suppress(exceptions.ValueNotFound):
            return authenticate(value, origin)
    raise exceptions.ValueNotFound


def issue(
    subject: Subject, *, client_id: str, with_refresh: bool, family: Family | None = None, origin: Origin = NOWHERE
) -> Tokens:
    """Return an access token for 60 minutes, and a refresh token for clients that can keep one.

    Without a family the refresh token begins one. `origin` is what its person is told about it. Raises Error where it
    can't be stored and the client has no API key to come back with.
    """
    now = int(timezone.now().timestamp())
    lifetime = int(signing.LIFETIME.total_seconds())
    claims = _claims(subject, client_id, now, now + lifetime)
    refresh_token = oauth.NO_REFRESH_TOKEN
    if with_refresh:
        family = family or Family(scope=subject.scope)
        refresh_token = _new_refresh_token(subject, family, origin)
        if refresh_token != oauth.NO_REFRESH_TOKEN:
            claims["session_id"] = str(family.id)
    return Tokens(signing.sign(claims), refresh_token, now + lifetime, lifetime, scopes.to_claim(subject.scope))


def refresh(token: str, *, client_id: str, origin: Origin = NOWHERE, scope: str = "") -> Tokens:
    """Return new tokens for a refresh token, which works once; used again, its whole family ends.

    While its key is paused, or deleted and not restored yet, or used from where it may not be, and while whoever holds
    it may do nothing, it is refused and lives on. `scope` narrows the access token, and not those that follow. A second
    use is an audit event: somebody may have a copy. Raises TokenRefused.
    """
    with transaction.atomic():
        row = RefreshToken.objects.select_for_update().filter(digest=_digest(token)).first()
        if row is None:
            raise exceptions.RefreshTokenInvalid
        subject, reason = _subject_of_refresh_token(row, origin)
        if reason in PASSING and row.used_at is None:
            raise exceptions.RefreshTokenInvalid
        if row.used_at is None and subject is not None:
            if not timezone.now() < row.expires_at <= last_end():
                raise exceptions.RefreshTokenExpired
            asked = _asked_of(subject.scope, scope)
            row.used_at = timezone.now()
            row.save(update_fields=["used_at"])
            family = Family(row.family, row.family_ends_at, row.scope or "")
            asking = replace(subject, scope=asked)
            return issue(asking, client_id=client_id, with_refresh=True, family=family, origin=origin)
    # Not in the transaction that holds the token: two that end a family, each with a token of it, would be a deadlock.
    _end_refused(row, origin)
    raise exceptions.RefreshTokenInvalid


@revocation
def _end_refused(row: RefreshToken, origin: Origin) -> None:
    """End all that came of the same log-in as a token that is refused for good. A second use of it is told once."""
    with transaction.atomic():
        if not end_family(row.family) or row.used_at is None:
            return
        caller = _caller_at(origin)
        if not row.api_key_id:
            name = users.owners([row.iam_id])[row.iam_id].user_id
            audit.record_person(caller, audit.LOG_IN, row.iam_id, name, reason=REUSED)
        elif key := find_source(row.iam_id, row.api_key_id).key:  # whoever has a key can do so without end
            found = counted.Target(name=key.name, concerns=row.iam_id)
            counted.note(caller, audit.LOG_IN, reason=REUSED, subject=key.id, find=lambda: found)


@revocation
def revoke(token: str, origin: Origin = NOWHERE) -> None:
    """End an access token, or a refresh token with all that came of the same log-in, for every server at once.

    That is a log-out where the log-in was one of a person at the command line. What is neither, or has run out, is left
    alone.
    """
    with transaction.atomic():
        row = RefreshToken.objects.filter(digest=_digest(token)).first()
        if row is not None:
            lasts = row.expires_at > timezone.now()
            if end_family(row.family) and lasts and not row.api_key_id:
                person = users.owners([row.iam_id])[row.iam_id]
                caller = _caller_at(origin, Identity(row.iam_id, "", person.name, ""))
                audit.record_person(caller, audit.LOG_OUT, row.iam_id, person.user_id)
            return
        try:
            claims = signing.read(token)
        except exceptions.Unauthenticated:
            return
        _revoke(uuid.UUID(claims["jti"]), datetime.fromtimestamp(claims["exp"], UTC))


def _caller_at(origin: Origin, identity: Identity = audit.NOBODY) -> Caller:
    return Caller(identity, origin.address, origin.agent, origin.request_id)


def end_family(family: uuid.UUID) -> bool:
    """End all tokens of one log-in, for every server at once; tell whether nobody had ended it before."""
    _revoke(family, timezone.now() + signing.LIFETIME + CLOCK_SET_BACK)
    ended = False
    # A renewal at the same moment may add a token that the first statement does not see yet.
    while RefreshToken.objects.filter(family=family).delete()[0]:
        ended = True
    return ended


def _revoke(token_id: uuid.UUID, runs_out_at: datetime) -> None:
    expires_at = runs_out_at + timedelta(seconds=signing.LEEWAY_SECONDS)
    Revocation.objects.update_or_create(id=token_id, defaults={"expires_at": expires_at})


def identify(access_token: str, origin: Origin) -> Bearer:
    """Return whom a valid access token stands for, and its claims. Raises Unauthenticated.

    Nothing is written, and nothing counted but that the token of a key is refused because of that.
    """
    signed = signing.verified(access_token)
    return _identified(signed, find_source(**_named_by(signed)), origin, origin.network_address)


def _named_by(signed: Signed) -> dict[str, Any]:
    """Return what `find_source` is to be asked about a token. Raises Unauthenticated."""
    iam_id, key_id = str(signed.claims["iam_id"]), str(signed.claims.get("api_key_id", ""))
    # An id of another form is not looked up: databases refuse some characters.
    if not IAM_ID.fullmatch(iam_id) or (key_id and not API_KEY_ID.fullmatch(key_id)):
        raise exceptions.Unauthenticated
    return {"iam_id": iam_id, "key_id": key_id, "kid": signed.kid, "ids": signed.ids}


def _identified(signed: Signed, source: Source, origin: Origin, address: str) -> Bearer:
    """Return whom a token stands for that was made from this and is used at an address. Raises Unauthenticated."""
    if source.is_revoked or not source.is_signed_here:
        raise exceptions.Unauthenticated
    claims, key = signed.claims, None
    if claims.get("grant_type") != oauth.GRANT_API_KEY:
        identity = _identity_by_password(source, str(claims.get("password_stamp", "")))
    elif source.key is None:
        identity = None
    else:
        key, number = source.key, int(claims.get("value_number", 1))
        reason = _refusal_of(source, number, address)
        identity = source.holder.identity if source.holder and not reason else None
        if reason:
            counting.note_refusal(key, number, origin, reason)
    scope = scopes.common(key.scope if key else "", scopes.of_claim(claims.get("scope")))
    if identity is None or scope is None:
        raise exceptions.Unauthenticated
    return Bearer(identity, dict(claims), scope, key.networks if key else "")


def _refusal_of(source: Source, number: int, address: str) -> Reason | None:
    """Return why a token that was made with value number `number` of a key is refused, None where it is not."""
    key = source.key
    if key is None:
        return Reason.DELETED
    if number != key.value_number:
        previous = previous_value(key.id, number)
        if previous is None or not previous.works:
            return Reason.REPLACED
    inactive = Reason.OWNER_INACTIVE if source.holder is None else None
    return key.refusal or inactive or refusal_of_address(key, source.limits, address)


def _identity_by_password(source: Source, stamp: str) -> Identity | None:
    """Return who is behind a token that was made with a password, None where that was changed."""
    present = source.holder.password_stamp if source.holder else ""
    is_good = bool(present) and secrets.compare_digest(present.encode(), stamp.encode("utf-8", "replace"))
    return source.holder.identity if source.holder and is_good else None


def _subject_of_refresh_token(row: RefreshToken, origin: Origin) -> tuple[Subject | None, Reason | None]:
    """Return whom a refresh token stands for, or why it stands for nobody, as far as its key and its owner say."""
    source = find_source(row.iam_id, row.api_key_id)
    if not row.api_key_id and source.holder is None:
        return None, Reason.OWNER_INACTIVE
    if not row.api_key_id:
        identity = _identity_by_password(source, row.password_stamp)
        grant = row.grant or oauth.GRANT_PASSWORD
        # Demands that came after the log-in.
        is_refused = users.lacks_second_factor(row.iam_id) or (
            row.grant == oauth.GRANT_PASSWORD and not settings.PASSWORD_GRANT
        )
        if identity is None or is_refused:
            return None, None
        return Subject(identity, grant, password_stamp=row.password_stamp, scope=row.scope or ""), None
    number = row.value_number or 1
    reason = _refusal_of(source, number, origin.network_address)
    if reason and source.key:
        counting.note_refusal(source.key, number, origin, reason)
    scope = scopes.common(source.key.scope if source.key else "", row.scope or "")
    if reason or source.holder is None or scope is None:
        return None, reason
    identity = source.holder.identity
    return Subject(identity, oauth.GRANT_API_KEY, api_key=source.key, value_number=number, scope=scope), None


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def _new_refresh_token(subject: Subject, family: Family, origin: Origin) -> str:
    """Return a new refresh token; NO_REFRESH_TOKEN where it can't be stored and the client has a key to come back with.

    Raises Error for whoever has not.
    """
    token = secrets.token_urlsafe(48)
    try:
        RefreshToken.objects.create(
            digest=_digest(token),
            family=family.id,
            iam_id=subject.identity.iam_id,
            api_key_id=subject.api_key.id if subject.api_key else "",
            value_number=subject.value_number,
            scope=family.scope,
            password_stamp=subject.password_stamp,
            grant="" if subject.api_key else subject.grant_type,
            expires_at=min(timezone.now() + REFRESH_LIFETIME, family.ends_at),
            family_ends_at=family.ends_at,
            **({} if subject.api_key else _place(origin)),
        )
    except Error as exc:
        if subject.api_key is None or connection.in_atomic_block:
            raise
        logger.warning("An API key was exchanged without a refresh token, which can't be stored: %s", exc)
        return oauth.NO_REFRESH_TOKEN
    return token


def _place(origin: Origin) -> dict[str, str]:
    """Return what a person is told about a log-in of theirs."""
    return {"address": origin.address[:45], "agent": printable(mask_agent(origin.agent))[:255]}


def last_end() -> datetime:
    """Return the latest end that a refresh token can have; one that ends later was made while a clock was wrong."""
    return timezone.now() + REFRESH_LIFETIME + CLOCK_SET_BACK


def forget_expired() -> None:
    """Remove refresh tokens that nobody can use any more, and revocations of tokens that ran out."""
    now = timezone.now()
    for old in (
        RefreshToken.objects.filter(Q(expires_at__lt=now - timedelta(days=1)) | Q(expires_at__gt=last_end())),
        Revocation.objects.filter(expires_at__lt=now),
    ):
        if old.exists():
            old.delete()


def _claims(subject: Subject, client_id: str, issued_at: int, expires_at: int) -> dict[str, Any]:
    identity = subject.identity
    given_name, _space, family_name = identity.name.partition(" ")
    claims: dict[str, Any] = {
        "iam_id": identity.iam_id,
        "id": identity.iam_id,
        "realmid": "iam" if subject.is_service else "IBMid",
        "jti": str(uuid.uuid4()),
        "identifier": identity.iam_id.partition("-")[2],
        "given_name": given_name,
        "family_name": family_name,
        "name": identity.name,
        "email": identity.email,
        "sub": identity.iam_id.partition("-")[2] if subject.is_service else identity.email or identity.name,
        "account": {"valid": True, "bss": identity.account_id, "frozen": True},
        "iat": issued_at,
        "exp": expires_at,
        "iss": signing.issuer(),
        "grant_type": subject.grant_type,
        "scope": scopes.to_claim(subject.scope),
        "client_id": client_id,
        "acr": 1,
        "amr": ["pwd"],
    }
    if settings.TOKEN_AUDIENCE:  # libraries refuse a token with an audience that they do not expect
        claims["aud"] = settings.TOKEN_AUDIENCE
    if subject.is_service:
        claims["sub_type"] = "ServiceId"
    if subject.api_key:
        claims["api_key_id"] = subject.api_key.id
        if subject.value_number > 1:
            claims["value_number"] = subject.value_number
    else:
        claims["password_stamp"] = subject.password_stamp
    return claims


def authenticate_person(request: HttpRequest, username: str, password: str) -> Subject:
    """Return the person with these credentials; counted as an attempt to log in, which success takes back.

    Raises PasswordRefused, also for a person who is deactivated, PasscodeNeeded for one who has a second factor or must
    have one, and TooManyAttempts.
    """
    user = django_authenticate(request, username=username, password=password)
    if user is None:
        raise exceptions.PasswordOrSignOnRefused if settings.OIDC_ISSUER else exceptions.PasswordRefused
    if users.needs_passcode(user):
        _note_known_password(request, user)
        raise exceptions.PasscodeNeeded
    return Subject(users.identity_of(user), oauth.GRANT_PASSWORD, password_stamp=users.password_stamp(user))


def _note_known_password(request: HttpRequest, user: users.Person) -> None:
    """Note for the audit that somebody has the password, and not what belongs to it."""
    caller, found = caller_for(cast("Request", request), audit.NOBODY), counted.Target(user.iam_id, user.get_username())
    reason = exceptions.PasscodeNeeded.__name__
    counted.note(caller, audit.LOG_IN, reason=reason, subject=user.iam_id, find=lambda: found)


@sensitive_variables("passcode", "issued")
def exchange_passcode(
    request: HttpRequest, passcode: str, *, client_id: str, scope: str, origin: Origin
) -> tuple[Subject, Tokens]:
    """Return the person of a one-time passcode, and tokens for them; `scope` narrows these.

    One transaction uses the passcode up and begins the log-in, so that whoever ends all log-ins of the person meanwhile
    ends this one. Raises PasscodeRefused, PropertyRefused, TooManyAttempts.
    """
    issued: list[tuple[Subject, Tokens]] = []

    def issue_to(user: users.Person) -> None:
        stamp = users.password_stamp(user)
        subject = narrowed(Subject(users.identity_of(user), oauth.GRANT_PASSCODE, password_stamp=stamp), scope)
        issued.append((subject, issue(subject, client_id=client_id, with_refresh=True, origin=origin)))

    if django_authenticate(request, one_time_password=passcode, then=issue_to) is None:
        raise exceptions.PasscodeRefused
    return issued[-1]
