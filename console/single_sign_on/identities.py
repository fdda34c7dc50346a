"""From what a provider says of somebody to a person here: who is who, who is made, and who administers.

A person is found by issuer and subject alone. A user ID or an e-mail address never leads to somebody who is there:
whoever can choose theirs at the provider would take over somebody else.
"""

import logging

from django.conf import settings
from django.db import IntegrityError, transaction
from django.http import HttpRequest

from apikeys import audit
from apikeys.domain import Caller, Identity
from apikeys.exceptions import ApiKeyError, InvalidApiKey, LastAdministrator
from apikeys.exceptions import gettext_noop as _
from apikeys.identity.callers import caller_for
from apikeys.storage.reserve import revocation
from console.factors import enrolled
from console.models import User, only_account
from console.people import changes
from console.single_sign_on import provider
from console.single_sign_on.id_tokens import Claims
from console.single_sign_on.models import ProviderIdentity
from console.single_sign_on.provider import Tokens
from console.single_sign_on.refusals import Deactivated, SomebodyElse, Stranger, UserIdTaken

FACTOR = "single sign-on"  # as audit events call it
MAX_GROUPS = 10_000
OF_NEW_USERS = frozenset({"given_name", "family_name", "email", "email_verified"})  # claims, beside the user ID

logger = logging.getLogger(__name__)


class LastWayIn(ApiKeyError, status=409, code="conflict"):
    """Without the provider the person could not log in."""

    message = _("You have no password here, so you would not get in any more.")


def person_of(request: HttpRequest, tokens: Tokens, claims: Claims) -> User:
    """Return the person whom a provider's claims are about, made where the settings say so, and administrator or not.

    Raises Stranger, UserIdTaken, Deactivated; ProviderUnavailable where more has to be asked.
    """
    person = find(claims["sub"])
    wanted = {settings.OIDC_GROUPS_CLAIM} if settings.OIDC_ADMINISTRATORS else set()
    if person is None:
        if not settings.OIDC_CREATE_USERS:
            raise Stranger
        wanted |= {settings.OIDC_USER_ID_CLAIM, *OF_NEW_USERS}
    told = _with_userinfo(tokens, claims, wanted)
    if person is None:
        person = _made(request, told)
    if not person.is_active:
        raise Deactivated
    if settings.OIDC_ADMINISTRATORS:
        person = _administering(request, person, is_one=settings.OIDC_ADMINISTRATORS in groups_of(told))
    return person


def find(subject: str) -> User | None:
    """Return the person who is connected with a subject of the provider, None for nobody."""
    found = ProviderIdentity.objects.filter(issuer=settings.OIDC_ISSUER, subject=subject).select_related("user").first()
    return found.user if found else None


def groups_of(claims: Claims) -> list[str]:
    """Return the groups that a provider says somebody is in; some send one as a plain text."""
    found = claims.get(settings.OIDC_GROUPS_CLAIM)
    listed = [found] if isinstance(found, str) else found if isinstance(found, list) else []
    return [group for group in listed[:MAX_GROUPS] if isinstance(group, str)]


def connect(caller: Caller, person: User, subject: str) -> None:
    """Let a person log in as somebody at the provider. Raises SomebodyElse where either has somebody else already."""
    try:
        with transaction.atomic():
            ProviderIdentity.objects.create(issuer=settings.OIDC_ISSUER, subject=subject, user=person)
            audit.record_person(caller, audit.FACTOR_CREATE, person.iam_id, person.username, factor=FACTOR)
    except IntegrityError:
        raise SomebodyElse from None


@revocation
def disconnect(caller: Caller, person: User, *, may_lock_out: bool = False) -> None:
    """End that a person logs in at the provider, and their sessions. Raises LastWayIn for who has no password."""
    if not (may_lock_out or person.has_usable_password()):
        raise LastWayIn
    with transaction.atomic():
        if ProviderIdentity.objects.filter(issuer=settings.OIDC_ISSUER, user=person).delete()[0]:
            enrolled.end_sessions(person)
            audit.record_person(caller, audit.FACTOR_DELETE, person.iam_id, person.username, factor=FACTOR)


def _with_userinfo(tokens: Tokens, claims: Claims, wanted: set[str]) -> Claims:
    """Return the claims with what the provider tells elsewhere, where one that is wanted is missing."""
    if all(name in claims for name in wanted):
        return claims
    more = provider.userinfo(tokens.access_token)
    return {**more, **claims} if more.get("sub") == claims["sub"] else claims


def _made(request: HttpRequest, claims: Claims) -> User:
    """Make a person for somebody whom the provider knows. Raises UserIdTaken."""
    user_id = claims.get(settings.OIDC_USER_ID_CLAIM)
    if not isinstance(user_id, str):
        logger.warning("The provider sent no claim %s for a user ID.", settings.OIDC_USER_ID_CLAIM)
        raise UserIdTaken
    fields = {"first_name": _text(claims, "given_name", 150), "last_name": _text(claims, "family_name", 150)}
    if claims.get("email_verified") is True:  # mails go there
        fields["email"] = _text(claims, "email", 254)
    caller = _provider(request)
    try:
        with transaction.atomic():
            person = changes.add(caller, username=User.normalize_username(user_id), **fields)
            connect(caller, person, claims["sub"])
    except (InvalidApiKey, SomebodyElse):
        found = find(claims["sub"])  # another request may just have made them
        if found is None:
            raise UserIdTaken from None
        return found
    return person


def _text(claims: Claims, name: str, limit: int) -> str:
    found = claims.get(name)
    return found[:limit].strip() if isinstance(found, str) else ""


def _administering(request: HttpRequest, person: User, *, is_one: bool) -> User:
    """Make a person administrator, or not, as the groups are; the last administrator stays one."""
    if person.is_superuser == is_one:
        return person
    try:
        return changes.change(_provider(request), person.iam_id, is_superuser=is_one)
    except LastAdministrator:
        logger.warning("%s stays an administrator: nobody else could administer.", person.iam_id)
        return person


def _provider(request: HttpRequest) -> Caller:
    """Return the provider as the caller of what it brings about: nobody among the people."""
    identity = Identity(
        "", only_account(), name=f"single sign-on {settings.OIDC_NAME}", email="", is_administrator=True
    )
    return caller_for(request, identity)  # type: ignore[arg-type]
