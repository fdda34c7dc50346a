"""The keys that need a decision, in groups: why, how many, and the first of them.

A person decides about their own keys, an administrator about everybody's.
"""

from dataclasses import dataclass

from apikeys import domain
from apikeys.backends import records, value_store_for
from apikeys.backends import review as rows
from apikeys.backends.review import FILTERS
from apikeys.backends.service_ids import to_domain
from apikeys.domain import ReviewKind
from apikeys.exceptions import SearchTooSlow
from apikeys.services.service_ids import Managed, with_managers

__all__ = ["FILTERS", "Group", "groups", "kinds"]


@dataclass(frozen=True, slots=True)
class Group:
    """The keys of one kind: how many, FOUND + 1 for more and None where they can't be counted, and the first of them.

    Of service IDs that nobody manages it has these: to count the keys of each would cost more than all else.
    """

    kind: ReviewKind
    count: int | None
    keys: tuple[domain.ApiKey, ...] = ()
    orphans: tuple[Managed, ...] = ()

    @property
    def number(self) -> str:
        """The count in digits, such as "100+" for more than are counted, "?" where they can't be."""
        if self.count is None:
            return "?"
        return f"{domain.FOUND}+" if self.count > domain.FOUND else str(self.count)

    @property
    def has_more(self) -> bool:
        """Whether there are more than those that are here."""
        return self.count is not None and self.count > len(self.keys) + len(self.orphans)


def groups(caller: domain.Caller) -> tuple[Group, ...]:
    """Return the groups of the keys that the caller decides about, the most urgent first. Raises NotOffered."""
    identity = value_store_for(caller).identity
    return tuple(_group(kind, identity) for kind in kinds(identity))


def kinds(identity: domain.Identity) -> tuple[ReviewKind, ...]:
    """Return the groups that there are for an identity, the most urgent first."""
    return tuple(kind for kind in ReviewKind if identity.is_administrator or kind in rows.OF_OWNERS)


def _group(kind: ReviewKind, identity: domain.Identity) -> Group:
    try:
        count, found = rows.first_of(kind, identity)
    except SearchTooSlow:
        return Group(kind, None)
    if kind is ReviewKind.ORPHANED:
        return Group(kind, count, orphans=tuple(with_managers([to_domain(row) for row in found])))
    return Group(kind, count, keys=tuple(records.to_domain(row) for row in found))
