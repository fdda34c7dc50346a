"""What is stored: never a value, only its digest, and for some minutes a sealed copy that nobody here can open."""

import secrets
import uuid
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

from django.db import models
from django.db.models import F, Value
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from apikeys.domain import (
    DESCRIPTION_MAX_LENGTH,
    HINT_LENGTH,
    NAME_MAX_LENGTH,
    NETWORKS_MAX_LENGTH,
    SCOPE_MAX_LENGTH,
    SORTED_LETTERS,
)

FAMILY_LIFETIME = timedelta(days=30)  # of refresh tokens: then the person or the program logs in anew


def new_api_key_id() -> str:
    return f"ApiKey-{uuid.uuid4()}"


def new_service_id() -> str:
    return f"ServiceId-{uuid.uuid4()}"


def new_entity_tag(revision: int = 1) -> str:
    """Return `<revision>-<32 hex digits>`, the form of IBM's entity tags."""
    return f"{revision}-{secrets.token_hex(16)}"


# Expressions that indexes hold. The text of each is the same in a query and in its index, down to the constants: a
# database finds the index by it.


class MomentOr(models.Func):
    """A moment, or another one where there is none."""

    output_field = models.DateTimeField()
    template = "COALESCE(%(expressions)s, '%(otherwise)s')"

    def __init__(self, column: str, otherwise: str) -> None:
        super().__init__(column, otherwise=otherwise)
        self.column, self.otherwise = column, datetime.fromisoformat(otherwise).replace(tzinfo=UTC)

    def of(self, row: Any) -> datetime:
        """Return what this is for a row that was read."""
        value: datetime | None = getattr(row, self.column)
        return self.otherwise if value is None else value

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        # With its zone, or an index would depend on the one of the session that made it.
        return self.as_sql(compiler, connection, template="COALESCE(%(expressions)s, '%(otherwise)s+00')", **extra)


class LastUse(MomentOr):
    """When a key was used last; for one that never was, before all others."""

    def __init__(self) -> None:
        super().__init__("last_used_at", otherwise="0001-01-01 00:00:00")


class Expiration(MomentOr):
    """When a key expires; for one that never does, after all others."""

    def __init__(self) -> None:
        super().__init__("expires_at", otherwise="9999-12-31 00:00:00")


class PauseEnd(MomentOr):
    """Until when a key is paused; for one that is not, before all others."""

    def __init__(self) -> None:
        super().__init__("paused_until", otherwise="0001-01-01 00:00:00")


class DescriptionStart(models.Func):
    """The beginning of a folded description: an index of PostgreSQL takes no text of a thousand letters."""

    output_field = models.TextField()
    template = f"SUBSTR(%(expressions)s, 1, {SORTED_LETTERS})"
    column = "description_folded"

    def __init__(self) -> None:
        super().__init__(self.column)

    def of(self, row: Any) -> str:
        """Return what this is for a row that was read."""
        return str(getattr(row, self.column))[:SORTED_LETTERS]


class HintEnd(models.Func):
    """The last characters of a hint, in small letters as far as they are ASCII."""

    output_field = models.TextField()
    template = f"LOWER(SUBSTR(%(expressions)s, -{HINT_LENGTH}))"

    def __init__(self) -> None:
        super().__init__("hint")

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, template=f"LOWER(RIGHT(%(expressions)s, {HINT_LENGTH}))", **extra)


def late_text(max_length: int) -> "models.CharField[str | None, str | None]":
    """Return the column of a text that came later; `KeyRecord` says why it can be null."""
    return models.CharField(max_length=max_length, blank=True, null=True, default="", db_default=Value(""))


class RevisedRecord(models.Model):
    """What the records of keys and of service IDs have in common: each change is a revision with a tag of its own."""

    id: str
    account_id = models.CharField(max_length=32)
    created_by = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=timezone.now)
    modified_at = models.DateTimeField(default=timezone.now)
    revision = models.PositiveIntegerField(default=1)
    entity_tag = models.CharField(max_length=48, default=new_entity_tag)
    name = models.CharField(max_length=NAME_MAX_LENGTH)
    description = models.CharField(max_length=DESCRIPTION_MAX_LENGTH, blank=True)
    # Folded copies: databases disagree about the case of letters beyond ASCII.
    name_folded = models.TextField()
    description_folded = models.TextField(blank=True)
    locked = models.BooleanField(default=False)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.id


class KeyRecord(RevisedRecord):
    """The columns of a key. `digest` is HMAC-SHA256 of the value under pepper number `pepper`.

    Those that came later can be null, and never are: SQLite adds only such a column, with a `Value` as its default,
    without writing the table anew.
    """

    id = models.CharField(primary_key=True, max_length=43, default=new_api_key_id)
    iam_id = models.CharField(max_length=64)
    pepper = models.PositiveSmallIntegerField()
    digest = models.CharField(max_length=64)
    hint = models.CharField(max_length=16)
    disabled = models.BooleanField(default=False)
    leaked = models.BooleanField(default=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    support_sessions = models.BooleanField(default=False)
    action_when_leaked = models.CharField(max_length=8, default="none")
    last_used_at = models.DateTimeField(null=True, blank=True)
    use_count = models.PositiveBigIntegerField(default=0)
    paused_until = models.DateTimeField(null=True, blank=True)
    is_decoy = models.BooleanField(null=True, db_default=Value(False))
    # Of the value that `digest` is of: 1 at first, one more after each rotation.
    value_number = models.PositiveIntegerField(null=True, db_default=Value(1))
    scope = late_text(SCOPE_MAX_LENGTH)
    networks = late_text(NETWORKS_MAX_LENGTH)
    # Who did it, an IAM ID, and as whom: a `Hold`. Empty where it was done by a release before these columns.
    disabled_by = late_text(64)
    disabled_hold = late_text(16)
    locked_by = late_text(64)
    locked_hold = late_text(16)

    class Meta(RevisedRecord.Meta):
        abstract = True


class ApiKeyRecord(KeyRecord):
    """One API key."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["digest", "pepper"], name="one_key_per_value")]
        indexes = [
            models.Index(fields=["iam_id", "created_at", "id"], name="keys_by_creation"),
            models.Index(fields=["iam_id", "name_folded", "id"], name="keys_by_name"),
            models.Index(fields=["account_id", "created_at", "id"], name="keys_of_account"),
            # The other sorts of either view.
            models.Index(F("iam_id"), DescriptionStart(), F("id"), name="keys_by_description"),
            models.Index(F("iam_id"), LastUse(), F("id"), name="keys_by_last_use"),
            models.Index(F("iam_id"), Expiration(), F("id"), name="keys_by_expiration"),
            models.Index(fields=["iam_id", "created_by", "id"], name="keys_by_creator"),
            models.Index(fields=["account_id", "name_folded", "id"], name="account_keys_by_name"),
            models.Index(F("account_id"), DescriptionStart(), F("id"), name="account_keys_by_description"),
            models.Index(F("account_id"), LastUse(), F("id"), name="account_keys_by_last_use"),
            models.Index(F("account_id"), Expiration(), F("id"), name="account_keys_by_expiration"),
            models.Index(fields=["account_id", "created_by", "id"], name="account_keys_by_creator"),
            # What few keys are, and what people look for.
            models.Index(HintEnd(), name="keys_by_hint"),
            *(
                models.Index(
                    fields=[owner, "created_at", "id"], condition=models.Q(**{state: True}), name=f"{view}_{state}"
                )
                for state in ("leaked", "disabled", "locked")
                for owner, view in (("iam_id", "keys"), ("account_id", "account_keys"))
            ),
            *(
                models.Index(
                    fields=[owner, "created_at", "id"],
                    condition=models.Q(paused_until__isnull=False),
                    name=f"{view}_paused",
                )
                for owner, view in (("iam_id", "keys"), ("account_id", "account_keys"))
            ),
            # What each sweep looks through: with modified_at in it, no row is read that is not to be removed.
            models.Index(
                fields=["expires_at", "modified_at"],
                condition=models.Q(locked=False, expires_at__isnull=False),
                name="keys_to_expire",
            ),
        ]


class DeletedKeyRecord(KeyRecord):
    """A key that was deleted, as it was. Until `gone_at` whoever deleted it can restore it, then it goes for good."""

    deleted_at = models.DateTimeField(default=timezone.now)
    deleted_by = models.CharField(max_length=64)
    gone_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["digest", "pepper"], name="one_deleted_key_per_value")]
        indexes = [
            models.Index(fields=["deleted_by", "deleted_at"], name="deleted_keys_by_deleter"),
            models.Index(fields=["iam_id", "deleted_at"], name="deleted_keys_by_owner"),
        ]


class PreviousValue(models.Model):
    """A value that a rotation replaced, as its digest; at most one of a key still works.

    It works until `ends_at`, and where that is null until somebody ends it. With `asks_at_end` it goes on working past
    its end while it is in use. What has ended stays for some time, to tell why a program was refused.
    """

    key_id = models.CharField(max_length=43)
    iam_id = models.CharField(max_length=64)  # the key's owner
    number = models.PositiveIntegerField()
    pepper = models.PositiveSmallIntegerField()
    digest = models.CharField(max_length=64)
    hint = models.CharField(max_length=16)
    replaced_at = models.DateTimeField(default=timezone.now)
    ends_at = models.DateTimeField(null=True, db_index=True)
    is_ended = models.BooleanField(default=False)  # by somebody or a leak: no clock that is set back undoes it
    asks_at_end = models.BooleanField(default=False)
    leaked = models.BooleanField(default=False)
    last_used_at = models.DateTimeField(null=True)
    use_count = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["digest", "pepper"], name="one_previous_value_per_value"),
            models.UniqueConstraint(fields=["key_id", "number"], name="one_previous_value_per_number"),
        ]
        indexes = [models.Index(fields=["iam_id", "ends_at"], name="previous_values_by_owner")]

    def __str__(self) -> str:
        return f"value {self.number} of {self.key_id}"


class UsageRecord(models.Model):
    """What the uses of one key add up to, or of all keys of an owner; apikeys/usage/ has the form of both columns.

    `subject` is the id of a key or the IAM ID of an owner, whose places nobody keeps.
    """

    subject = models.CharField(primary_key=True, max_length=64)
    days = models.JSONField(default=dict)
    places = models.JSONField(default=list)

    def __str__(self) -> str:
        return f"uses of {self.subject}"


class RefusalRecord(models.Model):
    """One use of a key that was refused: what its owner is told, and the program was not."""

    key_id = models.CharField(max_length=43)
    request_id = models.CharField(max_length=64, db_index=True)
    at = models.DateTimeField()
    reason = models.CharField(max_length=16)
    value_number = models.PositiveIntegerField()
    address = models.CharField(max_length=45)
    agent = models.CharField(max_length=255)
    noted_at = models.DateTimeField(null=True)  # of a decoy: somebody has seen the alarm

    class Meta:
        indexes = [
            models.Index(fields=["key_id", "at"], name="refusals_by_key"),
            models.Index(fields=["key_id"], condition=models.Q(reason="decoy", noted_at=None), name="alarms_by_key"),
            models.Index(fields=["at"], name="refusals_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.reason} {self.key_id}"


class HistoryRecord(models.Model):
    """One change of a key or a service ID, as `include_history` tells it."""

    object_id = models.CharField(max_length=46)
    timestamp = models.DateTimeField(default=timezone.now)
    iam_id = models.CharField(max_length=64)
    account_id = models.CharField(max_length=32)
    action = models.CharField(max_length=64)
    params = models.JSONField(default=list)
    message = models.CharField(max_length=255)

    class Meta:
        indexes = [models.Index(fields=["object_id", "timestamp"], name="history_by_object")]

    def __str__(self) -> str:
        return f"{self.action} {self.object_id}"


# The IAM ID of who manages a service ID: whoever made it, until it is handed to somebody else.
MANAGER = Coalesce("managed_by", "created_by")


class ServiceIdRecord(RevisedRecord):
    """An identity for a program of its own. One person manages it, and so do administrators."""

    id = models.CharField(primary_key=True, max_length=46, default=new_service_id)
    iam_id = models.CharField(max_length=64, unique=True)
    unique_instance_crns = models.JSONField(default=list)
    # Of the Idempotency-Key that made it; empty without one.
    nonce_digest = models.CharField(max_length=64, blank=True)
    # Uses of keys that were deleted; those of the others are counted with them.
    past_use_count = models.PositiveBigIntegerField(default=0)
    past_last_used_at = models.DateTimeField(null=True, blank=True)
    # The person who manages it; where this is null whoever made it, as a release before this column writes it.
    managed_by = models.CharField(max_length=64, null=True)  # noqa: DJ001
    disabled = models.BooleanField(null=True, default=False, db_default=Value(False))
    # Who did it, an IAM ID; empty where it was done by a release before these columns.
    disabled_by = late_text(64)
    locked_by = late_text(64)
    # The name of a manager who is gone, and since when it is another's.
    handed_over_from = late_text(255)
    handed_over_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["created_by", "nonce_digest"],
                condition=~models.Q(nonce_digest=""),
                name="one_service_id_per_nonce",
            )
        ]
        indexes = [
            models.Index(fields=["account_id", "created_at", "id"], name="service_ids_by_creation"),
            models.Index(MANAGER, name="service_ids_by_manager"),
        ]


class RulesRecord(models.Model):
    """What an administrator sets for all keys: one row, with this id. Settings win over it."""

    ONLY = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=ONLY)
    max_lifetime_days = models.PositiveIntegerField(null=True)
    must_expire = models.BooleanField(default=False)
    creators = models.CharField(max_length=16, default="everybody")
    networks = models.CharField(max_length=NETWORKS_MAX_LENGTH, blank=True)
    keys_per_identity = models.PositiveIntegerField(null=True)
    modified_at = models.DateTimeField(default=timezone.now)
    modified_by = models.CharField(max_length=64)

    def __str__(self) -> str:
        return "rules"


class ScopeRecord(models.Model):
    """What a key may be allowed to do at a service behind the console, by name, and in a sentence for people."""

    name = models.CharField(primary_key=True, max_length=64)
    sentence = models.CharField(max_length=255)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.CharField(max_length=64)

    def __str__(self) -> str:
        return self.name


class ReviewRule(models.Model):
    """What is done by itself to the keys of one group of the review, and after how many days; null for nothing."""

    kind = models.CharField(primary_key=True, max_length=16)
    warn_days = models.PositiveIntegerField(null=True)
    disable_days = models.PositiveIntegerField(null=True)
    delete_days = models.PositiveIntegerField(null=True)
    modified_at = models.DateTimeField(default=timezone.now)
    modified_by = models.CharField(max_length=64)

    def __str__(self) -> str:
        return f"rule for {self.kind}"


class ReviewStep(models.Model):
    """How far a review rule has got with one key, and with which revision of it: with another one all begins anew."""

    key_id = models.CharField(max_length=43)
    iam_id = models.CharField(max_length=64)  # the key's owner
    kind = models.CharField(max_length=16)
    step = models.CharField(max_length=8)  # "found", "warn", "disable"
    taken_at = models.DateTimeField(default=timezone.now)
    revision = models.PositiveIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key_id", "kind"], name="one_review_step_per_key")]
        indexes = [models.Index(fields=["iam_id", "step", "taken_at"], name="review_steps_by_owner")]

    def __str__(self) -> str:
        return f"{self.step} {self.key_id}"


class BulkRun(models.Model):
    """One action on many keys, done in pieces: how many of them are done, and what could not be done and why.

    `key_ids` has a pair for each key, its id and its name, by which it is told of when it is gone. Before somebody
    confirms it there is no lease.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    iam_id = models.CharField(max_length=64)  # whose run it is
    account_id = models.CharField(max_length=32)
    action = models.CharField(max_length=16)
    key_ids = models.JSONField(default=list)
    done = models.PositiveIntegerField(default=0)
    failures = models.JSONField(default=list)
    created_at = models.DateTimeField(default=timezone.now, db_index=True)
    leased_until = models.DateTimeField(null=True)  # one request does a piece, others wait for it
    finished_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.action} {len(self.key_ids)} keys"


class SigningKey(models.Model):
    """A key that signs access tokens; the private half is sealed under SECRET_KEY, see apikeys/identity/signing.py.

    It is published as soon as the row is there, and signs from `signs_from` until the next one does.
    """

    kid = models.CharField(primary_key=True, max_length=32)
    algorithm = models.CharField(max_length=5)
    sealed_private_key = models.BinaryField()
    created_at = models.DateTimeField(default=timezone.now)
    signs_from = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.kid


def family_end() -> datetime:
    """Return when a family of refresh tokens that begins now ends for good, however often it is renewed."""
    return timezone.now() + FAMILY_LIFETIME


class RefreshToken(models.Model):
    """A refresh token as its SHA-256. It works once; a second use ends its whole family."""

    digest = models.CharField(primary_key=True, max_length=64)
    family = models.UUIDField(default=uuid.uuid4, db_index=True)
    iam_id = models.CharField(max_length=64)
    api_key_id = models.CharField(max_length=43, blank=True)  # empty: made with a password
    value_number = models.PositiveIntegerField(null=True, db_default=Value(1))  # of the value that it was made with
    scope = late_text(SCOPE_MAX_LENGTH)  # that the log-in asked for
    password_stamp = models.CharField(max_length=32, blank=True)
    grant = late_text(64)  # of the log-in, where that was none of a key
    expires_at = models.DateTimeField(db_index=True)
    family_ends_at = models.DateTimeField(default=family_end)
    used_at = models.DateTimeField(null=True)
    # From where and with what it was asked for; NULL in a row of the release before.
    address = models.CharField(max_length=45, null=True)  # noqa: DJ001
    agent = models.CharField(max_length=255, null=True)  # noqa: DJ001

    class Meta:
        indexes = [models.Index(fields=["iam_id"], condition=models.Q(api_key_id=""), name="log_ins_by_person")]

    def __str__(self) -> str:
        return f"refresh token of {self.iam_id}"


class Revocation(models.Model):
    """The end of an access token, by its `jti`, or of all that one log-in gave, by its `session_id`.

    The row stays until the last of these tokens has run out.
    """

    id = models.UUIDField(primary_key=True)
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return str(self.id)


class HandoverState(Enum):
    """What the columns of a row say; docs/adr/0003-handover.md has the table, and what a form sent again gets."""

    RESERVED = "reserved"
    UNCONFIRMED = "unconfirmed"
    DISMISSED = "dismissed"
    SEALED = "sealed"
    SHOWN = "shown"
    RECEIVED = "received"
    EXPIRED = "expired"


class Handover(models.Model):
    """The one delivery of a new value; docs/adr/0003-handover.md.

    `sealed` holds the value under a key derived from the nonce, which is not stored. The row outlives it, so that a
    form sent again makes no second key. A row whose key is asked for upstream is there before the key, without
    `key_id`.
    """

    iam_id = models.CharField(max_length=64)
    nonce_digest = models.CharField(max_length=64)  # sha256(nonce), hex
    created_at = models.DateTimeField(default=timezone.now)
    key_name = models.CharField(max_length=NAME_MAX_LENGTH, blank=True)  # of a key that is asked for upstream
    # The response was lost. The column has the name that a process of the release before writes, while it still runs.
    unconfirmed = models.BooleanField(default=False, db_column="uncertain")
    dismissed_at = models.DateTimeField(null=True)  # the person has looked for the unconfirmed key
    key_id = models.CharField(max_length=43, blank=True)
    value_number = models.PositiveIntegerField(null=True, db_default=Value(1))
    sealed = models.BinaryField(null=True)
    # When its time begins. The default is for a process of the release before, which does not know the column.
    sealed_at = models.DateTimeField(null=True, db_default=Now())
    extensions = models.PositiveSmallIntegerField(default=0)  # of the time that it waits
    received_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["iam_id", "nonce_digest"], name="one_key_per_nonce"),
            models.CheckConstraint(
                condition=models.Q(sealed=None) | models.Q(sealed_at__isnull=False) & ~models.Q(key_id=""),
                name="sealed_for_a_key_and_a_time",
            ),
        ]
        indexes = [
            models.Index(
                fields=["sealed_at"], condition=models.Q(sealed__isnull=False), name="sealed_handovers_by_age"
            ),
            models.Index(fields=["created_at"], name="handovers_by_creation"),
        ]

    def __str__(self) -> str:
        return f"hand-over of {self.key_id}"

    @property
    def state(self) -> HandoverState:
        """What the row says by itself; the clock can make a reservation unconfirmed and end what is sealed."""
        if not self.key_id:
            if self.dismissed_at:
                return HandoverState.DISMISSED
            return HandoverState.UNCONFIRMED if self.unconfirmed else HandoverState.RESERVED
        if self.sealed is None:
            return HandoverState.RECEIVED if self.received_at else HandoverState.EXPIRED
        return HandoverState.SHOWN if self.received_at else HandoverState.SEALED


class StoredTokens(models.Model):
    """The tokens of one log-in upstream, sealed, and what they are for; apikeys/upstream/sessions.py.

    The seal's key is made of SECRET_KEY and the session's key, which is stored nowhere: a stolen database opens
    nothing, and a log-in ends with its cookie.
    """

    session_digest = models.CharField(primary_key=True, max_length=64)  # sha256(session key), hex
    sealed = models.BinaryField()
    account_id = models.CharField(max_length=32, blank=True)  # as the access token says; none was chosen where empty
    sees_all = models.BooleanField(default=False)  # IAM lists everybody's keys of that account
    version = models.PositiveIntegerField(default=1)  # grows with each renewal
    renewing_until = models.DateTimeField(null=True)  # one process renews, the others wait for it
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    def __str__(self) -> str:
        return f"log-in of {self.created_at:%Y-%m-%d}"


class AuditEvent(models.Model):
    """What happened, to which key, by whom and from where. Never the value."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    event_time = models.DateTimeField(default=timezone.now)
    action = models.CharField(max_length=64)
    outcome = models.CharField(max_length=8)
    severity = models.CharField(max_length=8)
    reason = models.CharField(max_length=64, blank=True)
    initiator_id = models.CharField(max_length=64)
    initiator_name = models.CharField(max_length=255, blank=True)
    address = models.CharField(max_length=45, blank=True)
    agent = models.CharField(max_length=255, blank=True)
    correlation_id = models.CharField(max_length=64, blank=True)
    target_id = models.CharField(max_length=255, blank=True)
    target_name = models.CharField(max_length=NAME_MAX_LENGTH, blank=True)
    request_data = models.JSONField(default=dict)
    # The IAM ID of somebody else whom it concerns: of the owner of a key, of a person who was changed.
    concerns = models.CharField(max_length=64, null=True)  # noqa: DJ001
    # apikeys/audit/chain.py has all of these; null where the release before wrote the event, or none has its place yet.
    code = models.CharField(max_length=64, null=True)  # noqa: DJ001
    place = models.PositiveBigIntegerField(null=True)
    previous = models.CharField(max_length=64, null=True)  # noqa: DJ001
    digest = models.CharField(max_length=64, null=True)  # noqa: DJ001

    class Meta:
        constraints = [
            # With a condition, or SQLite would write the table anew.
            models.UniqueConstraint(
                fields=["place"], condition=models.Q(place__isnull=False), name="one_audit_event_per_place"
            )
        ]
        indexes = [
            models.Index(fields=["initiator_id", "event_time"], name="audit_by_initiator"),
            models.Index(fields=["event_time", "id"], name="audit_by_time"),
            models.Index(fields=["target_id", "event_time"], name="audit_by_target"),
            models.Index(fields=["correlation_id"], name="audit_by_request"),
            models.Index(
                fields=["concerns", "event_time"], condition=models.Q(concerns__isnull=False), name="audit_concerning"
            ),
            models.Index(fields=["event_time", "id"], condition=models.Q(place__isnull=True), name="audit_unsealed"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.outcome}"


class AuditChain(models.Model):
    """The one row about the chain of audit events: its key, its end, and what was removed before its beginning."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    pepper = models.PositiveSmallIntegerField()  # that the key is sealed under
    sealed_key = models.BinaryField()
    begun_at = models.DateTimeField(default=timezone.now)
    place = models.PositiveBigIntegerField(default=0)  # of the last event
    digest = models.CharField(max_length=64, blank=True)
    first_place = models.PositiveBigIntegerField(default=0)  # of the last event that was removed
    first_digest = models.CharField(max_length=64, blank=True)
    removed_at = models.DateTimeField(null=True)
    code = models.CharField(max_length=64)

    def __str__(self) -> str:
        return f"chain up to {self.place}"


class SettingsRecord(models.Model):
    """What the last start was given as settings: one row, with this id, as console/changed_settings.py writes it."""

    ONLY = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=ONLY)
    told = models.JSONField()

    def __str__(self) -> str:
        return "settings of the last start"


class PepperFingerprint(models.Model):
    """Tells a lost or exchanged pepper from the right one before any key is refused because of it."""

    number = models.PositiveSmallIntegerField(primary_key=True)
    fingerprint = models.CharField(max_length=16)

    def __str__(self) -> str:
        return f"pepper {self.number}"
