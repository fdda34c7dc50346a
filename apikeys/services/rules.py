"""Rules that an administrator sets for all keys: what holds now, what changes, and what somebody may create by them.

The stores keep to them; backends/rules.py says how.
"""

from dataclasses import asdict, replace
from typing import Any

from apikeys import audit
from apikeys.backends import rules as kept
from apikeys.backends import store_traits, value_store_for
from apikeys.backends.rules import SETTINGS, Exceptions, check_expiration, check_networks, latest_end_of
from apikeys.domain import NO_RULES, ApiKey, Caller, Rules
from apikeys.exceptions import ApiKeyError, RuleBroken
from apikeys.identity.callers import check_administrator

__all__ = ["SETTINGS", "Exceptions", "check_expiration", "check_networks", "latest_end_of"]


def effective() -> Rules:
    """Return the rules as they hold now; none where the store is upstream, which has its own."""
    return kept.effective() if store_traits().knows_values else NO_RULES


def decided_by_settings() -> dict[str, str]:
    """Return the setting that decides on a rule, by the name of the rule, where one does."""
    return {name: SETTINGS[name] for name in kept.given()}


def exceptions_of(caller: Caller, rules: Rules) -> Exceptions:
    """Return how much that is there already breaks the rules. Raises NotAuthorized, NotOffered."""
    check_administrator(caller)
    return kept.exceptions_of(rules, caller.identity.account_id)


def change(caller: Caller, **changes: Any) -> Rules:
    """Set these rules, save those that a setting decides on, and return what holds now. Raises NotAuthorized."""
    with audit.change(caller, audit.RULES_UPDATE) as step:
        check_administrator(caller)
        before = kept.stored(for_update=True)
        undecided = {name: value for name, value in changes.items() if name not in kept.given()}
        rules = replace(before, **undecided)
        if rules == before:
            step.record_nothing()
            return effective()
        kept.store(rules, caller.identity.iam_id)
        step.record(None, **_told(before, rules))
    return effective()


def _told(before: Rules, rules: Rules) -> dict[str, object]:
    """Return each rule that has changed, and what it was."""
    old, new = asdict(before), asdict(rules)
    changed = [name for name in new if new[name] != old[name]]
    return {name: new[name] for name in changed} | {f"prev_{name}": old[name] for name in changed}


def refusal_of_creation(caller: Caller, owner: str = "") -> ApiKeyError | None:
    """Return why the caller could create no key now, of their own or of another owner, whatever it is like.

    None where they could.
    """
    if not store_traits().knows_values:
        return None
    try:
        value_store_for(caller).check_room(owner)
    except ApiKeyError as exc:
        return exc
    return None


def refusal_of_rotation(key: ApiKey) -> RuleBroken | None:
    """Return why a key that the caller has seen can get no new value as it is now, None where it can."""
    try:
        kept.check_rotation(effective(), key)
    except RuleBroken as exc:
        return exc
    return None
