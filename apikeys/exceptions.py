"""Everything that can go wrong with keys, with the HTTP status and IAM's code of each.

ApiKeyError
├── InvalidApiKey           a field of a request is not acceptable
│   ├── BadRequest          a request is not of the form that the API reads
│   └── RuleBroken          a key would not keep to the rules
├── ApiKeyNotFound          no such key, or somebody else's
│   ├── RefusalNotFound     no refusal of a key that the caller may see
│   ├── PreviousValueNotFound  the key has no previous value that works
│   ├── BulkRunNotFound     no action on many keys, or somebody else's
│   ├── DeletedSince        the key that a form made was deleted before the form came again
│   ├── PersonNotFound      the same for a person
│   ├── ServiceIdNotFound   the same for a service ID
│   ├── ScopeNotFound       the same for a scope
│   ├── WebhookNotFound     the same for a webhook
│   └── DeliveryNotFound    a message to a webhook is no longer kept
├── NotAuthorized           the caller may see this, but not do it
│   ├── CreationNotAllowed  the rules leave it to others to create keys
│   ├── MadeByPeopleOnly    a service ID wants to make a service ID
│   ├── ApiKeyHeld          an administrator, a leak or a rule disabled or locked a key
│   ├── ServiceIdHeld       somebody else disabled or locked a service ID
│   ├── ScopeInsufficient   the key or token that the request shows is too narrow for it
│   └── WiderThanItsMaker   a key that is wider than the one that the request shows
├── LogInAgain              the store no longer knows the person who is logged in
├── AccountNeeded           the person belongs to several accounts and has chosen none
├── Unauthenticated         no valid access token
├── TokenRefused            no access token, or no introspection, for what was shown
│   ├── PropertyMissing     a property of the form is missing or empty
│   ├── PropertyRefused     a property of the form is not acceptable
│   ├── ValueNotFound       no usable API key has this value
│   ├── RefreshTokenInvalid
│   ├── RefreshTokenExpired
│   ├── ClientRefused       no authorization header of a known client
│   ├── PasswordRefused     wrong user ID or password
│   │   └── PasswordOrSignOnRefused  the same where there is single sign-on
│   ├── PasscodeNeeded      a password alone does not log this person in
│   ├── PasscodeRefused     no passcode that works
│   └── IntrospectionRefused
├── TooManyAttempts         log-in attempts are used up for now
├── DeleteNotPossible       a service ID with a key that is locked
├── ApiKeyConflict          the key changed since it was read
│   └── ServiceIdConflict   the same for a service ID
├── NotOffered              the store keeps no values, and can't do what needs them
├── NotRestorable           a key that leaked stays deleted
│   └── ValueTaken          the same for a key whose value another key has now
├── RotationUnderWay        the value before the present one still works
├── LastAdministrator       nobody else could administer the console
├── LinkEnded               a link to choose a password was replaced or left too long, or is none
│   └── LinkUsed            a password was chosen with it
├── ApiKeyLocked            the key must be unlocked first
│   └── ServiceIdLocked     the same for a service ID
├── ScopeInUse              a scope that keys have stays
├── WebhookDisabled         nothing is sent to a webhook that is disabled
├── TooManyWebhooks         there are as many as allowed
├── ApiKeyLimitReached      the owner has as many keys as allowed
├── IdempotencyKeyReused    the same Idempotency-Key came with a different request
├── HandoverError
│   ├── AlreadyReceived     the value was delivered
│   ├── HandoverExpired     the value waited too long for its receipt
│   ├── BeingCreated        the same form was sent a moment ago, and the store has not answered yet
│   └── CreationUnconfirmed upstream was asked for a key, and its response was lost
├── LogInRefused            upstream refused a log-in
└── StoreError              what only the store can mend; told in the page, where what was typed stays
    ├── BackendRefused      the store answered with a refusal of its own
    ├── SearchTooSlow       no index serves the search, and the list is long
    └── BackendUnavailable  the store did not answer
        └── BackendBusy     too many requests wait for the store already

Messages are sentences for people: what happened and what to do next. They are never formatted with a
key's value. `message` is a msgid of the translation catalogues; `params` are filled in after translation.
"""

from typing import ClassVar


def gettext_noop(message: str) -> str:
    """Mark a message for the catalogues without translating it here."""
    return message


_ = gettext_noop


class ApiKeyError(Exception):
    """The root. `status` is the HTTP status, `code` IAM's code (docs/rest-api.md), named by each class with its base.

    `may_have_happened` tells whether what was asked for may have been done all the same, `is_audited` whether an event
    tells of the refusal already.
    """

    status = 500
    code = "internal_error"
    may_have_happened = False
    is_audited = False
    message = _("Something went wrong. Nothing was changed.")
    statuses: ClassVar[dict[str, int]] = {}  # by the names of all classes, which audit events have

    def __init_subclass__(cls, *, status: int = 0, code: str = "") -> None:
        cls.status, cls.code = status or cls.status, code or cls.code
        ApiKeyError.statuses[cls.__name__] = cls.status

    def __init__(self, message: str = "", **params: object) -> None:
        self.message = message or self.message
        self.params = params
        super().__init__(self.message % params if params else self.message)


class InvalidApiKey(ApiKeyError, status=400, code="BXNIM0113E"):
    """`field` names the offending field of the request."""

    message = _("The request is not valid.")

    def __init__(self, field: str, message: str, **params: object) -> None:
        self.field = field
        super().__init__(message, **params)


class BadRequest(InvalidApiKey, code="bad_request"):
    """A request is not of the form that the API reads."""


class RuleBroken(InvalidApiKey):
    """A key would not keep to the rules that an administrator has set."""


class ApiKeyNotFound(ApiKeyError, status=404, code="BXNIM0102E"):
    message = _("This API key does not exist. It may have been deleted.")


class DeletedSince(ApiKeyNotFound, status=409, code="conflict"):
    message = _("The API key that this form created has since been deleted. No second key was created.")


class BulkRunNotFound(ApiKeyNotFound):
    message = _("This action does not exist any more. Choose the API keys again.")


class ServiceIdNotFound(ApiKeyNotFound):
    message = _("This service ID does not exist. It may have been deleted.")


class ScopeNotFound(ApiKeyNotFound):
    message = _("This scope does not exist. It may have been deleted.")


class WebhookNotFound(ApiKeyNotFound):
    message = _("This webhook does not exist. It may have been deleted.")


class DeliveryNotFound(ApiKeyNotFound):
    message = _("This message is no longer kept. Send everything again since its time.")


class NotAuthorized(ApiKeyError, status=403, code="BXNIM0513E"):
    message = _("You are not authorized to do this.")


class CreationNotAllowed(NotAuthorized):
    message = _("Only administrators may create API keys here. Ask one of them for a key.")


class MadeByPeopleOnly(NotAuthorized):
    message = _("A service ID can't create service IDs. A person has to.")


class ApiKeyHeld(NotAuthorized):
    """`hold` is a `domain.Hold`: as whom somebody disabled the key, or locked it, which the caller can't undo."""

    message = _("An administrator disabled this API key. Only an administrator can enable it.")
    locked = _("An administrator locked this API key. Only an administrator can unlock it.")
    others = {
        "leak": _("This API key was disabled because it was found in public. Only an administrator can enable it."),
        "rule": _("A rule of the administrators disabled this API key. Only an administrator can enable it."),
    }

    def __init__(self, hold: str, *, is_locked: bool = False) -> None:
        super().__init__(self.locked if is_locked else self.others.get(hold, ""))


class ServiceIdHeld(NotAuthorized):
    message = _("Somebody else did this to the service ID. Only an administrator can undo it.")


class ScopeInsufficient(NotAuthorized):
    """`scope` is what is needed."""

    message = _("This needs the scope %(scope)s, which the API key or the access token lacks.")

    def __init__(self, scope: str) -> None:
        self.scope = scope
        super().__init__(scope=scope)


class WiderThanItsMaker(NotAuthorized):
    message = _("This API key may do more, or be used from more networks, than the API key that you use now.")


class LogInAgain(ApiKeyError, status=401, code="unauthorized"):
    message = _("Your session at %(host)s has ended. Log in again.")


class AccountNeeded(ApiKeyError, status=403, code="BXNIM0513E"):
    message = _("Choose the account whose API keys you want to manage.")


class Unauthenticated(ApiKeyError, status=401, code="unauthorized"):
    message = _("The access token is missing, invalid, or no longer valid. Get a new one.")


class TokenRefused(ApiKeyError, status=400, code="bad_request"):
    """No access token, or no introspection, for what was shown."""


class PropertyMissing(TokenRefused, code="BXNIM0109E"):
    """`field` names the property."""

    message = _("Property missing or empty: %(name)s")

    def __init__(self, name: str) -> None:
        self.field = name
        super().__init__(name=name)


class PropertyRefused(TokenRefused, code="BXNIM0106E"):
    """`field` names the property."""

    def __init__(self, field: str, message: str) -> None:
        self.field = field
        super().__init__(message)


class ValueNotFound(TokenRefused, code="BXNIM0415E"):
    """Unknown, malformed, disabled, expired, deleted and owner gone: one public answer."""

    message = _("Provided API key could not be found.")


class RefreshTokenInvalid(TokenRefused, code="BXNIM0407E"):
    message = _("Provided refresh token is invalid.")


class RefreshTokenExpired(TokenRefused, code="BXNIM0408E"):
    message = _("Provided refresh token is expired.")


class ClientRefused(TokenRefused, status=401, code="BXNIM0308E"):
    message = _("No authorization header found.")


class PasswordRefused(TokenRefused, status=401, code="BXNIM0602E"):
    message = _("The user ID or the password is not correct.")


class PasswordOrSignOnRefused(PasswordRefused):
    """The same for everybody, so that it does not tell who has a password."""

    message = _(
        "The user ID or the password is not correct. With single sign-on, log in with a one-time passcode: in the "
        "console, Account > Log in to the command line makes one."
    )


class PasscodeNeeded(TokenRefused, status=401, code="BXNIM0400E"):
    message = _(
        "A password is not enough for this user. Log in with a one-time passcode: in the console, Account > Log in to "
        "the command line makes one."
    )


class PasscodeRefused(TokenRefused, code="BXNIM0605E"):
    message = _(
        "This passcode is not right, was used, is older than two minutes, or its session has ended. Make another one."
    )


class IntrospectionRefused(TokenRefused, status=401, code="unauthorized"):
    message = _("Introspection requires your own access token or API key.")


class TooManyAttempts(ApiKeyError, status=429, code="too_many_requests"):
    """`retry_after` is in seconds."""

    message = _("Too many attempts. Wait a few minutes, then try again.")

    def __init__(self, retry_after: int) -> None:
        self.retry_after = max(1, retry_after)
        super().__init__()


class DeleteNotPossible(ApiKeyError, status=409, code="BXNIM0105E"):
    message = _("An API key of this service ID is locked. Unlock it first. Nothing was deleted.")


class ApiKeyConflict(ApiKeyError, status=409, code="conflict"):
    message = _("Someone changed this API key while you were editing it. Compare, then save again.")


class ApiKeyLocked(ApiKeyError, status=409, code="conflict"):
    message = _("This API key is locked. Unlock it first.")


class NotOffered(ApiKeyError, status=404, code="not_found"):
    message = _("This key store does not offer that.")


class RefusalNotFound(ApiKeyNotFound):
    message = _("No refusal of a key that you may see has this request ID. Refusals appear within a minute.")


class NotRestorable(ApiKeyError, status=409, code="conflict"):
    message = _("This API key was found in public. It can't be restored: create another one.")


class ValueTaken(NotRestorable):
    message = _("Another API key has the value of this one now. It can't be restored: create another one.")


class RotationUnderWay(ApiKeyError, status=409, code="rotation_under_way"):
    message = _("The previous value of this API key still works. Another rotation ends it at once: confirm that.")


class PreviousValueNotFound(ApiKeyNotFound):
    message = _("This API key has no previous value that still works.")


class PersonNotFound(ApiKeyNotFound):
    message = _("There is no such user. They may have been deleted.")


class PersonConflict(ApiKeyError, status=409, code="conflict"):
    message = _(
        "Someone changed this user while you were editing. The boxes show what is there now: check them, "
        "then save again."
    )


class LastAdministrator(ApiKeyError, status=409, code="conflict"):
    message = _("This is the only administrator who can log in. Make somebody else an administrator first.")


class LinkEnded(ApiKeyError, status=409, code="conflict"):
    message = _("This link was used, replaced by another one, or has ended. Ask an administrator for a new one.")


class LinkUsed(LinkEnded):
    message = _(
        "This link was used already: a password was chosen with it. Log in with that password. If it was not you who "
        "chose it, tell an administrator at once."
    )


class ServiceIdConflict(ApiKeyConflict):
    message = _("Someone changed this service ID while you were editing it. Compare, then save again.")


class ServiceIdLocked(ApiKeyLocked):
    message = _("This service ID is locked. Unlock it first.")


class ScopeInUse(ApiKeyError, status=409, code="conflict"):
    message = _(
        "%(name)s can't be deleted. API keys that have it, with those that can be restored: %(number)d. Take it from "
        "them first."
    )


class WebhookDisabled(ApiKeyError, status=409, code="conflict"):
    message = _("This webhook is disabled. Enable it first.")


class TooManyWebhooks(ApiKeyError, status=409, code="conflict"):
    message = _("There are %(limit)d webhooks already. Delete one first.")


class ApiKeyLimitReached(ApiKeyError, status=422, code="BXNIM0151E"):
    message = _(
        "You have reached the limit of %(limit)d API keys. Delete a key that you no longer need, then try again."
    )


class IdempotencyKeyReused(ApiKeyError, status=409, code="conflict"):
    message = _("This Idempotency-Key was already used with a different request. Use a new one for each API key.")


class HandoverError(ApiKeyError, status=409, code="conflict"):
    """The form was sent before; its value is not available, or not yet. `key_id` is its key, "" where unknown."""

    def __init__(self, key_id: str = "", **params: object) -> None:
        self.key_id = key_id
        super().__init__("", **params)


class AlreadyReceived(HandoverError):
    message = _("This API key was created and shown. Its value is never shown a second time.")


class HandoverExpired(HandoverError):
    message = _("This API key was created, but the time to show its value has run out.")


class BeingCreated(HandoverError):
    message = _("This form was sent a moment ago, and the key is still being created. Send it again in a moment.")


class CreationUnconfirmed(HandoverError, status=502, code="unavailable"):
    """`name` is what the key was to be called."""

    may_have_happened = True
    message = _(
        "%(host)s did not confirm that the API key %(name)s was created. It may exist: look for it in the list. "
        "If it is there and you do not have its value, delete it and create another key."
    )


class LogInRefused(ApiKeyError, status=422, code="unauthorized"):
    """The message says why, as far as IAM says it."""


class StoreError(ApiKeyError, status=503, code="unavailable"):
    """What only the store can mend; told in the page, where what was typed stays."""


class BackendRefused(StoreError, code="bad_request"):
    """`status` and `reason` are the store's own status and code; `text` are its words, `trace` its transaction id."""

    message = _("%(host)s refused the request: %(text)s")

    def __init__(self, status: int, *, host: str, text: str, trace: str = "", reason: str = "") -> None:
        self.status, self.trace, self.reason = status, trace, reason
        if trace:
            super().__init__(
                _("%(host)s refused the request: %(text)s (transaction %(trace)s)"), host=host, text=text, trace=trace
            )
        else:
            super().__init__(host=host, text=text)


class BackendUnavailable(StoreError):
    message = _("The key store did not answer. Try again shortly.")


class ExportsBusy(StoreError):
    message = _("Other exports are under way. Try again in a minute.")


class SearchTooSlow(StoreError):
    message = _("This search takes too long. Type more letters, or use fewer filters at once.")


class BackendBusy(BackendUnavailable):
    message = _("Too many requests are already waiting for %(host)s. Try again in a moment.")
