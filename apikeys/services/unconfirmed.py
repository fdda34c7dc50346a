"""Keys that may have been made upstream: their responses were lost, and the person has not looked for them yet."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet
from django.utils import timezone

from apikeys.backends import store_traits
from apikeys.clocks import UPSTREAM_CLOCK_TOLERANCE
from apikeys.domain import ApiKey, Caller
from apikeys.models import Handover
from apikeys.services.delivery import recent
from apikeys.storage.reserve import revocation
from apikeys.upstream.timeouts import ANSWER_WITHIN

MOST_SHOWN = 5


@dataclass(frozen=True, slots=True)
class UnconfirmedCreation:
    """A key that may have been made: what it was to be called, and when it was asked for."""

    id: int
    name: str
    asked_at: datetime

    def may_be(self, key: ApiKey) -> bool:
        """Tell whether a key may be this one; the upstream's clock may differ, and it counts in minutes."""
        latest = self.asked_at + ANSWER_WITHIN + UPSTREAM_CLOCK_TOLERANCE
        return key.name == self.name and self.asked_at - UPSTREAM_CLOCK_TOLERANCE < key.created_at < latest


def creations(caller: Caller) -> list[UnconfirmedCreation]:
    """Return the newest five of the caller that are not dismissed, newest first."""
    if not store_traits().is_upstream:
        return []
    newest = _unconfirmed(caller).order_by("-created_at")[:MOST_SHOWN]
    return [UnconfirmedCreation(row.pk, row.key_name, row.created_at) for row in newest]


def candidates_for(caller: Caller, creation: UnconfirmedCreation, keys: Iterable[ApiKey]) -> list[ApiKey]:
    """Return those of the keys that an unconfirmed creation may have made; not those whose value was handed over."""
    iam_id = caller.identity.iam_id
    found = [key for key in keys if creation.may_be(key) and key.iam_id == iam_id]
    if not found:
        return []
    handovers = Handover.objects.filter(iam_id=iam_id, key_id__in=[key.id for key in found])
    handed_over = set(handovers.values_list("key_id", flat=True))
    return [key for key in found if key.id not in handed_over]


def dismiss(caller: Caller, creation_id: int) -> None:
    """Note that the caller has looked for the key; nothing where its response may still come."""
    _unconfirmed(caller).filter(id=creation_id).update(dismissed_at=timezone.now())


@revocation
def dismiss_for_deleted(caller: Caller, key: ApiKey) -> None:
    """Dismiss the one unconfirmed creation that a deleted key most likely came of, if there is one."""
    possible = [creation for creation in creations(caller) if candidates_for(caller, creation, [key])]
    if possible:
        dismiss(caller, min(possible, key=lambda creation: abs(creation.asked_at - key.created_at)).id)


def _unconfirmed(caller: Caller) -> QuerySet[Handover]:
    lost = Q(unconfirmed=True) | ~Q(created_at__range=recent(ANSWER_WITHIN))
    return Handover.objects.filter(lost, iam_id=caller.identity.iam_id, key_id="", dismissed_at=None)
