"""Which second factors somebody has enrolled, who must have one, and how the last one goes."""

import secrets
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction

from apikeys.backends import store_traits
from console.factors import passkeys, recovery
from console.factors.models import Authenticator, Passkey, RecoveryCode
from console.models import ProviderIdentity, User


@dataclass(frozen=True, slots=True)
class Factors:
    """The factors of a person: since when there is an app, None for no app, and how many recovery codes are left."""

    app_since: datetime | None
    codes_left: int
    passkeys: list[Passkey]

    @property
    def has_few_codes(self) -> bool:
        """Whether it is time to make new recovery codes."""
        return self.codes_left <= recovery.FEW

    @property
    def has_one(self) -> bool:
        """Whether there is any factor but recovery codes, which are none by themselves."""
        return self.app_since is not None or bool(self.passkeys)


def factors_of(person: User) -> Factors:
    """Return what a person has."""
    since = Authenticator.objects.filter(user=person).values_list("created_at", flat=True).first()
    return Factors(since, recovery.left(person), passkeys.of(person))


def has_one(person: User) -> bool:
    """Tell whether a password alone does not log this person in."""
    return not store_traits().is_upstream and person.has_second_factor


def is_missing(person: User) -> bool:
    """Tell whether this person must have a second factor and has none."""
    return person.must_have_second_factor and not has_one(person)


def end_sessions(person: User) -> None:
    """End all sessions of a person, and all tokens that a password or a passcode brought; API keys go on."""
    person.sessions_mark = secrets.token_hex(16)
    person.save(update_fields=["sessions_mark"])


def identity_at_provider(person: User) -> ProviderIdentity | None:
    """Return with whom at the provider of single sign-on a person is connected, None for nobody, and without one."""
    if not settings.OIDC_ISSUER:
        return None
    return ProviderIdentity.objects.filter(issuer=settings.OIDC_ISSUER, user=person).first()


def has_app(person: User) -> bool:
    """Tell whether an app shows codes for this person."""
    return Authenticator.objects.filter(user=person).exists()


def has_passkey(person: User) -> bool:
    """Tell whether this person has a passkey."""
    return Passkey.objects.filter(user=person).exists()


def remove_app(person: User) -> None:
    """Remove the app of a person, and the recovery codes with the last factor."""
    with transaction.atomic():
        Authenticator.objects.filter(user=person).delete()
        _forget_useless_codes(person)


def remove_passkey(person: User, digest: str) -> None:
    """Remove a passkey of a person, and the recovery codes with the last factor."""
    with transaction.atomic():
        Passkey.objects.filter(user=person, digest=digest).delete()
        _forget_useless_codes(person)


def remove_all(person: User) -> None:
    """Remove every factor of a person, and end their sessions: whoever is logged in may not be them."""
    with transaction.atomic():
        for kept in (Authenticator, Passkey, RecoveryCode):
            kept.objects.filter(user=person).delete()
        end_sessions(person)


def _forget_useless_codes(person: User) -> None:
    if not person.has_second_factor:
        RecoveryCode.objects.filter(user=person).delete()
