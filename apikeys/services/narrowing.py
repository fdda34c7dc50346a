"""What a key is limited to: no key gives what the one lacks that makes or changes it."""

from dataclasses import replace

from apikeys import exceptions, networks, scopes
from apikeys.domain import ApiKey, ApiKeyChanges, ApiKeyDraft, Caller
from apikeys.models import ApiKeyRecord, ScopeRecord


def limited(caller: Caller, draft: ApiKeyDraft) -> ApiKeyDraft:
    """Return the draft of a key with the limits of the key that asks for it, where it has none of its own.

    Raises WiderThanItsMaker, and InvalidApiKey for a scope that there is not.
    """
    draft = replace(draft, scope=draft.scope or caller.scope, networks=draft.networks or caller.networks)
    check_known(draft.scope)
    _check(caller, draft.scope, draft.networks)
    return draft


def check_changes(caller: Caller, key: ApiKey, changes: ApiKeyChanges) -> None:
    """Raise WiderThanItsMaker where the caller's key is narrower than a key is, or is to be.

    Raises InvalidApiKey for a scope that there is not.
    """
    check_key(caller, key)
    if changes.scope is not None and changes.scope != key.scope:
        check_known(changes.scope)
    _check(
        caller,
        key.scope if changes.scope is None else changes.scope,
        key.networks if changes.networks is None else changes.networks,
    )


def check_key(caller: Caller, key: ApiKey) -> None:
    """Raise WiderThanItsMaker where the caller's key is narrower than this one."""
    _check(caller, key.scope, key.networks)


def check_keys_of(caller: Caller, iam_id: str) -> None:
    """Raise WiderThanItsMaker where an identity has a key that is wider than the caller's."""
    if caller.scope or caller.networks:
        limits = ApiKeyRecord.objects.filter(iam_id=iam_id).order_by().values_list("scope", "networks").distinct()
        for scope, key_networks in limits:
            _check(caller, scope or "", key_networks or "")


def check_known(scope: str) -> None:
    """Raise InvalidApiKey for a name in a scope that nobody has defined."""
    wanted = {*scopes.listed(scope)} - {*scopes.BUILT_IN}
    if not wanted:
        return
    known = {*ScopeRecord.objects.filter(name__in=wanted).values_list("name", flat=True)}
    for name in sorted(wanted - known):
        raise scopes.unknown(name)


def told(before: ApiKey, after: ApiKey) -> dict[str, str]:
    """Return each limit that a change of a key has changed, with what it was as `prev_…`."""
    limits = {"scope": (before.scope, after.scope), "networks": (before.networks, after.networks)}
    changed = {name: limit for name, limit in limits.items() if limit[0] != limit[1]}
    return {name: new for name, (_old, new) in changed.items()} | {
        f"prev_{name}": old for name, (old, _new) in changed.items()
    }


def _check(caller: Caller, scope: str, key_networks: str) -> None:
    is_within = not caller.networks or networks.is_within(key_networks, caller.networks)
    if not (scopes.covers(caller.scope, scope) and is_within):
        raise exceptions.WiderThanItsMaker
