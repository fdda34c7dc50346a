"""A value that somebody found: whose it is, what it can still do, and its end at once.

Whoever has a value could do all that with it: what is told and done here needs no other right. Looking is no use of the
key, and keeps nothing.
"""

from dataclasses import dataclass, field

from django.core import signing
from django.views.decorators.debug import sensitive_variables

from apikeys import audit, exceptions
from apikeys.backends import leaking, value_store_for
from apikeys.domain import ApiKey, Caller, Origin, Owner, Reason
from apikeys.exceptions import gettext_noop as _
from apikeys.identity import tokens, users
from apikeys.identity.lookups import FoundValue
from apikeys.storage.reserve import revocation
from apikeys.usage import counting

PROOF_SECONDS = 600
SALT = "apikeys.found-value"
ENDABLE = (None, Reason.PAUSED, Reason.OWNER_INACTIVE)  # what opens something, or may again by itself


@dataclass(frozen=True, slots=True)
class Found:
    """What is told of a value: its key's name and owner, and why it is refused, None where it works.

    `is_earlier`: the key has another value now. `is_seen`: the person may see the key. `proof` is for `end_at_once`, ""
    where there is nothing to end.
    """

    key_id: str
    name: str
    owner: Owner
    reason: Reason | None
    is_earlier: bool
    is_seen: bool
    proof: str = field(repr=False)


@sensitive_variables("value")
def whose(caller: Caller, value: str) -> Found | None:
    """Return what may be told of a value, None where it is, and was, no key's. Raises NotOffered."""
    value_store_for(caller)
    found = tokens.look_up(value)
    if found is None:
        return None
    key, is_seen = found.key, _sees(caller, found)
    reason = found.refusal
    if reason is Reason.DECOY and not is_seen:
        origin = Origin(caller.address, caller.agent, caller.correlation_id)
        counting.note_refusal(key, found.value_number, origin, Reason.DECOY)
        # What every other door says to whoever tries it: it can't be used. Nobody learns here that it is a trap.
        reason = Reason.DISABLED
    return Found(
        key.id,
        key.name,
        users.owners({key.iam_id})[key.iam_id],
        reason,
        is_earlier=found.previous is not None,
        is_seen=is_seen,
        proof=_proof(caller, key.id, found.value_number) if reason in ENDABLE else "",
    )


def _sees(caller: Caller, found: FoundValue) -> bool:
    store = value_store_for(caller)
    try:
        (store.get_deleted_api_key if found.is_deleted else store.get_api_key)(found.key.id)
    except exceptions.ApiKeyNotFound:
        return False
    return True


def _proof(caller: Caller, key_id: str, number: int) -> str:
    return signing.dumps([caller.identity.iam_id, key_id, number], salt=SALT)


@revocation
def end_at_once(caller: Caller, proof: str) -> tuple[ApiKey, bool]:
    """End the value that a proof of the same person stands for; return its key, and whether that is disabled.

    An earlier value ends alone, and its key works on with the present one. Being locked protects neither, and what has
    ended already stays so. Raises InvalidApiKey for a proof that is older than PROOF_SECONDS, somebody else's or
    forged, ApiKeyNotFound, NotOffered.
    """
    value_store_for(caller)
    key_id, number = _read(caller, proof)
    with audit.change(caller, audit.UPDATE, key_id, revokes=True) as step:
        key, is_disabled = leaking.end(key_id, number, caller.identity)
        step.record(key, found_value=True, **({"disable": True} if is_disabled else {"previous_value": "ended"}))
    return key, is_disabled


def _read(caller: Caller, proof: str) -> tuple[str, int]:
    try:
        iam_id, key_id, number = signing.loads(proof, salt=SALT, max_age=PROOF_SECONDS)
    except signing.BadSignature:
        iam_id, key_id, number = "", "", 0
    if iam_id != caller.identity.iam_id:
        raise exceptions.InvalidApiKey("proof", _("This offer is older than ten minutes. Paste the value again."))
    return key_id, number
