"""The rules that all keys have to keep to: settings over the row that an administrator has set, and what breaks them.

A store asks before it makes a key and before it lets one work again or longer. Keys that were there before a rule go on
working; docs/adr/0016-rules.md.
"""

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Count
from django.utils import timezone

from apikeys import networks
from apikeys.backends.keyset import count_to
from apikeys.backends.limits import search_limit
from apikeys.domain import COUNTED, ApiKeyChanges, Creators, Identity, Rules, Unset
from apikeys.exceptions import CreationNotAllowed, RuleBroken, SearchTooSlow
from apikeys.exceptions import gettext_noop as _
from apikeys.models import ApiKeyRecord, Expiration, HistoryRecord, RulesRecord

# The setting that wins over each rule of the row.
SETTINGS = {
    "max_lifetime_days": "APIKEYS_MAX_LIFETIME_DAYS",
    "must_expire": "APIKEYS_MUST_EXPIRE",
    "creators": "APIKEYS_CREATORS",
    "networks": "APIKEYS_NETWORKS",
    "keys_per_identity": "APIKEYS_PER_IDENTITY",
}
DEFAULTS = Rules()


@dataclass(frozen=True, slots=True)
class Exceptions:
    """What was there before a rule and breaks it, COUNTED + 1 for more, None where counting takes too long.

    `unending` are keys that expire later than one that is made now may, `crowded` owners with more keys than they may
    have.
    """

    unending: int | None = 0
    crowded: int | None = 0


def given() -> dict[str, Any]:
    """Return the rules that settings decide on, by name."""
    found = {name: getattr(settings, setting) for name, setting in SETTINGS.items()}
    return _whole({name: value for name, value in found.items() if value is not None})


def stored(*, for_update: bool = False) -> Rules:
    """Return the rules of the row, or the defaults where there is none."""
    rows = RulesRecord.objects.select_for_update() if for_update else RulesRecord.objects
    row = rows.filter(pk=RulesRecord.ONLY).values(*SETTINGS).first() or {}
    return replace(DEFAULTS, **_whole({name: value for name, value in row.items() if value is not None}))


def effective() -> Rules:
    """Return the rules as they hold now."""
    decided = given()
    return Rules(**decided) if decided.keys() == SETTINGS.keys() else replace(stored(), **decided)


def networks_over(text: str | None) -> str:
    """Return the rule for networks as it holds now, where the row, that somebody has read, has `text`."""
    decided: str | None = settings.APIKEYS_NETWORKS
    return (text or "") if decided is None else decided


def store(rules: Rules, modified_by: str) -> None:
    """Make the row say so."""
    values = asdict(rules) | {"modified_by": modified_by, "modified_at": timezone.now()}
    RulesRecord.objects.update_or_create(pk=RulesRecord.ONLY, defaults=values)


def _whole(found: dict[str, Any]) -> dict[str, Any]:
    return found | ({"creators": Creators(found["creators"])} if "creators" in found else {})


def check_creator(rules: Rules, identity: Identity) -> None:
    """Raise CreationNotAllowed unless the identity may create keys, or bring them back."""
    if identity.is_administrator or rules.creators is Creators.EVERYBODY:
        return
    if rules.creators is Creators.ADMINISTRATORS:
        raise CreationNotAllowed
    if not identity.may_create_keys:
        raise CreationNotAllowed(_("You are not among those who may create API keys. Ask an administrator."))


def check_expiration(rules: Rules, expires_at: datetime | None, latest: datetime | None) -> None:
    """Raise RuleBroken where a key must not expire so late, or never; `latest` is what the rules allow it."""
    if expires_at is None and rules.must_expire:
        raise RuleBroken("expires_at", _("An API key must expire. Choose an expiration."))
    if latest is not None and (expires_at is None or expires_at > latest):
        raise RuleBroken(
            "expires_at",
            _("An API key must expire within %(days)d days of its creation or last rotation. Choose another date."),
            days=rules.max_lifetime_days,
        )


def check_networks(rules: Rules, text: str) -> None:
    """Raise RuleBroken where a key names networks that are not within those of the rules."""
    if text and rules.networks and not networks.is_within(text, rules.networks):
        raise RuleBroken(
            "networks",
            _("API keys may be used from %(networks)s at most. Choose from these."),
            networks=", ".join(networks.listed(rules.networks)),
        )


def check_key(rules: Rules, key: Any) -> None:
    """Raise RuleBroken where a key, or the record of one, that is to work again does not keep to the rules."""
    _check_value(rules, key, value_made_at(key))


def check_rotation(rules: Rules, key: Any) -> None:
    """Raise RuleBroken where a key would not keep to the rules with a value that is made now."""
    _check_value(rules, key, timezone.now())


def _check_value(rules: Rules, key: Any, made_at: datetime) -> None:
    check_expiration(rules, key.expires_at, rules.latest_end(made_at))
    check_networks(rules, key.networks or "")


def check_changes(rules: Rules, key: Any, changes: ApiKeyChanges) -> None:
    """Raise RuleBroken where a key would break the rules by changes, not where it did so before."""
    if not isinstance(changes.expires_at, Unset) and changes.expires_at != key.expires_at:
        check_expiration(rules, changes.expires_at, latest_end_of(rules, key))
    if changes.networks is not None and changes.networks != (key.networks or ""):
        check_networks(rules, changes.networks)


def latest_end_of(rules: Rules, key: Any) -> datetime | None:
    """Return when a key that is there may expire at the latest, None for whenever it likes.

    One that expires later than it may, because it was there before the rule, can come nearer to the rule, never
    farther from it: as near as a key whose value is made now.
    """
    latest = rules.latest_end(value_made_at(key))
    if latest is None or (key.expires_at and key.expires_at <= latest):
        return latest
    as_new = rules.latest_end(timezone.now())
    return min(key.expires_at, as_new) if key.expires_at and as_new else as_new


def value_made_at(key: Any) -> datetime:
    """Return when a key, or the record of one, got the value that it has now."""
    created_at: datetime = key.created_at
    if (key.value_number or 1) == 1:
        return created_at
    rotated = HistoryRecord.objects.filter(object_id=key.id, action="rotate").order_by("-timestamp")
    return rotated.values_list("timestamp", flat=True).first() or created_at


def exceptions_of(rules: Rules, account_id: str) -> Exceptions:
    """Return how many keys and owners of an account do not keep to the rules."""
    try:
        with search_limit():
            return Exceptions(_unending(rules, account_id), _crowded(rules, account_id))
    except SearchTooSlow:
        return Exceptions(None, None)


def _unending(rules: Rules, account_id: str) -> int:
    if not rules.needs_expiration:
        return 0
    keys = ApiKeyRecord.objects.filter(account_id=account_id).alias(end=Expiration())
    latest = rules.latest_end(timezone.now())
    return count_to(keys.filter(end__gt=latest) if latest else keys.filter(end=Expiration().otherwise), COUNTED)


def _crowded(rules: Rules, account_id: str) -> int:
    if not rules.keys_per_identity:
        return 0
    owners = ApiKeyRecord.objects.filter(account_id=account_id).values("iam_id").annotate(number=Count("pk"))
    return owners.filter(number__gt=rules.keys_per_identity)[: COUNTED + 1].count()
