"""What people do with their own second factors; each change with its audit event."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from apikeys import audit
from apikeys.domain import Caller
from apikeys.exceptions import ApiKeyError
from apikeys.exceptions import gettext_noop as _
from console.factors import enrolled, passkeys, recovery, totp
from console.models import User

APP, PASSKEY, CODES = "app", "passkey", "recovery codes"  # as audit events call them


class LastFactor(ApiKeyError, status=409, code="conflict"):
    """The factor is the last one of somebody who must have one."""

    message = _("You must have a second factor here. Set up another one before you remove this one.")


class CodeRefused(ApiKeyError, status=422, code="bad_request"):
    """An app that is being set up shows another code."""

    message = _("The app shows another code. Check that the time of your phone is right, then type the next code.")


class PasskeyRefused(ApiKeyError, status=422, code="bad_request"):
    """What a browser sent is no new passkey for the challenge that it was given."""

    message = _("The passkey could not be set up. Try again.")


@sensitive_variables("secret", "codes")
def add_app(caller: Caller, person: User, secret: str, code: str) -> list[str]:
    """Make an app the person's second factor, in place of an earlier one.

    Return the recovery codes that come with the first factor, none otherwise. The first one ends all sessions and
    tokens that the password alone has brought. Raises CodeRefused.
    """
    with _change(caller, audit.FACTOR_CREATE, person, APP):
        is_first = not person.has_second_factor
        if not totp.keep(person, secret, code):
            raise CodeRefused
        return _begun(person) if is_first else []


@sensitive_variables("codes")
def add_passkey(caller: Caller, person: User, request: HttpRequest, name: str, sent: str) -> list[str]:
    """Keep what a browser has made as a passkey of the person; the rest is as with an app. Raises PasskeyRefused."""
    with _change(caller, audit.FACTOR_CREATE, person, PASSKEY):
        is_first = not person.has_second_factor
        if not passkeys.add(request, person, name, sent):
            raise PasskeyRefused
        return _begun(person) if is_first else []


def remove_passkey(caller: Caller, person: User, digest: str) -> None:
    """Remove a passkey of the person. Raises LastFactor."""
    with _change(caller, audit.FACTOR_DELETE, person, PASSKEY):
        enrolled.remove_passkey(person, digest)
        if enrolled.is_missing(person):
            raise LastFactor


def remove_app(caller: Caller, person: User) -> None:
    """Remove the person's app. Raises LastFactor."""
    with _change(caller, audit.FACTOR_DELETE, person, APP):
        enrolled.remove_app(person)
        if enrolled.is_missing(person):
            raise LastFactor


@sensitive_variables("codes")
def renew_recovery_codes(caller: Caller, person: User) -> list[str]:
    """Return new recovery codes of the person in place of those before, none for who has no factor to recover."""
    if not enrolled.has_one(person):
        return []
    with _change(caller, audit.FACTOR_UPDATE, person, CODES):
        return recovery.renew(person)


@sensitive_variables("codes")
def _begun(person: User) -> list[str]:
    enrolled.end_sessions(person)
    return recovery.renew(person)


@contextmanager
def _change(caller: Caller, action: str, person: User, factor: str) -> Iterator[None]:
    with audit.change(caller, action, person.iam_id, person.username, is_here=True, factor=factor) as step:
        yield
        step.record_person(person)
