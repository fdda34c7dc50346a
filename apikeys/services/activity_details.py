"""What an audit event tells, in words: what happened as precisely as it says, why not, and each field of its data."""

from collections.abc import Iterator
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from apikeys import audit
from apikeys.audit.catalogue import CATALOGUE
from apikeys.domain import Creators, ReviewStep
from apikeys.models import AuditEvent
from apikeys.services.activity import KINDS, OUTCOMES, words
from apikeys.services.words import REVIEW_GROUPS, STATUSES

OF_FACTORS = (audit.FACTOR_CREATE, audit.FACTOR_UPDATE, audit.FACTOR_DELETE)
Words = str | Promise

# Of an action by the name of a field of its event: what it is where that is true, or more than nothing, and where not.
CHANGES: dict[tuple[str, str], tuple[Words, Words]] = {
    (audit.UPDATE, "disable"): (_lazy("API key disabled"), _lazy("API key enabled")),
    (audit.UPDATE, "lock"): (_lazy("API key locked"), _lazy("API key unlocked")),
    (audit.UPDATE, "pause"): (_lazy("API key paused"), _lazy("Pause of the API key ended")),
    (audit.SERVICE_ID_UPDATE, "disable"): (_lazy("Service ID disabled"), _lazy("Service ID enabled")),
    (audit.SERVICE_ID_UPDATE, "lock"): (_lazy("Service ID locked"), _lazy("Service ID unlocked")),
    (audit.WEBHOOK_UPDATE, "enabled"): (_lazy("Webhook enabled"), _lazy("Webhook disabled")),
}
# What stands behind "Second factor set up"; what is another sentence is one of `WORDS_OF_FACTOR`.
FACTORS = {"app": _lazy("app"), "passkey": _lazy("passkey")}
OF_PERSON: dict[str, Words] = {
    "username": _lazy("user ID"),
    "first_name": _lazy("first name"),
    "last_name": _lazy("last name"),
    "email": _lazy("e-mail address"),
    "is_superuser": _lazy("administrator or not"),
    "may_create_keys": _lazy("may create API keys or not"),
    "mails": _lazy("what mails tell you"),
}

# By the class of the error, or the word that an event has for it.
REASONS: dict[str, Words] = {
    "AccountNeeded": _lazy("No account was chosen"),
    "AlreadyReceived": _lazy("The value had been shown already"),
    "AnswerRefused": _lazy("What the single sign-on sent was not valid"),
    "ApiKeyConflict": _lazy("Somebody else had changed the API key meanwhile"),
    "ApiKeyHeld": _lazy("Only an administrator can undo it"),
    "ApiKeyLimitReached": _lazy("The limit of API keys was reached"),
    "ApiKeyLocked": _lazy("The API key is locked"),
    "ApiKeyNotFound": _lazy("There was no such API key for this person"),
    "BackendBusy": _lazy("Too many requests waited for the key store"),
    "BackendRefused": _lazy("The key store refused it"),
    "BackendUnavailable": _lazy("The key store did not answer"),
    "BadRequest": _lazy("The request was not valid"),
    "BeingCreated": _lazy("The same form was being worked on"),
    "BulkRunNotFound": _lazy("The action on many API keys did not exist any more"),
    "ClientRefused": _lazy("The program did not show who it is"),
    "CodeRefused": _lazy("The app showed another code"),
    "CreationNotAllowed": _lazy("This person may not create API keys"),
    "CreationUnconfirmed": _lazy("The key store did not confirm the creation"),
    "Deactivated": _lazy("The user is deactivated"),
    "DecoyUsed": _lazy("The API key is a decoy"),
    "DeleteNotPossible": _lazy("An API key of the service ID is locked"),
    "DeletedSince": _lazy("The API key was deleted meanwhile"),
    "DeliveryNotFound": _lazy("The message is no longer kept"),
    "ExportsBusy": _lazy("Too many exports were under way"),
    "ForgedForm": _lazy("The form was not one that this console had shown to this browser"),
    "HandoverError": _lazy("The value can't be shown"),
    "HandoverExpired": _lazy("The time to show the value had run out"),
    "IAMError": _lazy("The key store refused it"),
    "IAMUnavailable": _lazy("The key store did not answer"),
    "IdempotencyKeyReused": _lazy("The Idempotency-Key was one of another request"),
    "IntrospectionRefused": _lazy("The program asked about another account's token"),
    "InvalidApiKey": _lazy("What was typed is not valid"),
    "LastAdministrator": _lazy("This is the last administrator"),
    "LastFactor": _lazy("This is the last second factor of somebody who must have one"),
    "LastWayIn": _lazy("This is the last way for the user to log in"),
    "LinkEnded": _lazy("The link had ended"),
    "LinkUsed": _lazy("The link was used already"),
    "LogInAgain": _lazy("The session at the key store had ended"),
    "LogInRefused": _lazy("The key store refused the log-in"),
    "MadeByPeopleOnly": _lazy("Only people can do this, not service IDs"),
    "NotAskedAgain": _lazy("The single sign-on did not ask again"),
    "NotAuthorized": _lazy("This person may not do it"),
    "NotOffered": _lazy("The key store does not offer it"),
    "NotRestorable": _lazy("The API key was found in public"),
    "ValueTaken": _lazy("Another API key has its value now"),
    "PasscodeNeeded": _lazy("A password is not enough for this user"),
    "PasscodeRefused": _lazy("The one-time passcode was wrong or had ended"),
    "PasskeyRefused": _lazy("The passkey was not accepted"),
    "PasswordOrSignOnRefused": _lazy("User ID or password were wrong"),
    "PasswordRefused": _lazy("User ID or password were wrong"),
    "PermissionDenied": _lazy("This person may not do it"),
    "PersonConflict": _lazy("Somebody else had changed the user meanwhile"),
    "PersonNotFound": _lazy("There was no such user"),
    "PreviousValueNotFound": _lazy("There was no previous value that works"),
    "ProofRefused": _lazy("What was to prove who they are was wrong"),
    "PropertyMissing": _lazy("The request was not valid"),
    "PropertyRefused": _lazy("The request was not valid"),
    "ProviderBusy": _lazy("Too many people were logging in at the single sign-on"),
    "ProviderRefused": _lazy("The single sign-on refused the log-in"),
    "ProviderUnavailable": _lazy("The single sign-on did not answer"),
    "RefreshTokenExpired": _lazy("The refresh token had ended"),
    "RefreshTokenInvalid": _lazy("The refresh token was not valid"),
    "RefreshTokenReused": _lazy(
        "A refresh token was used a second time, so somebody may have a copy; its log-in ended"
    ),
    "RefusalNotFound": _lazy("There was no such refusal for this person"),
    "RotationUnderWay": _lazy("A previous value still worked"),
    "RuleBroken": _lazy("A rule of the administrators forbids it"),
    "ScopeInUse": _lazy("API keys have this scope"),
    "ScopeInsufficient": _lazy("The API key or access token may not do this"),
    "ScopeNotFound": _lazy("There was no such scope"),
    "SearchTooSlow": _lazy("The search took too long"),
    "ServiceIdConflict": _lazy("Somebody else had changed the service ID meanwhile"),
    "ServiceIdHeld": _lazy("Only an administrator can undo it"),
    "ServiceIdLocked": _lazy("The service ID is locked"),
    "ServiceIdNotFound": _lazy("There was no such service ID for this person"),
    "SignOnRefused": _lazy("The single sign-on refused the log-in"),
    "SomebodyElse": _lazy("They came back from the single sign-on as somebody else"),
    "StoreError": _lazy("The key store did not answer"),
    "Stranger": _lazy("The single sign-on knows them, this console does not"),
    "TokenRefused": _lazy("The request was not valid"),
    "TooManyAttempts": _lazy("There were too many attempts"),
    "TooManySignOns": _lazy("There were too many attempts"),
    "TooManyWebhooks": _lazy("There were too many webhooks"),
    "TripUnknown": _lazy("The log-in at the single sign-on had ended, or was another browser's"),
    "Unauthenticated": _lazy("The access token was missing, or not valid"),
    "UserIdTaken": _lazy("Somebody has the user ID, or nobody may have it"),
    "ValueNotFound": _lazy("There was no such API key"),
    "WebhookDisabled": _lazy("The webhook is disabled"),
    "WebhookNotFound": _lazy("There was no such webhook"),
    "WiderThanItsMaker": _lazy("The API key that asked may do less"),
}  # fmt: skip

# What each field of the data is; one of these with `prev_` before it is what it was before the change.
FIELDS: dict[str, Words] = {
    "active": _lazy("Active"),
    "administrator": _lazy("Administrator"),
    "alarm": _lazy("Alarm"),
    "algorithm": _lazy("Algorithm"),
    "at_once": _lazy("The one before ends at once"),
    "by": _lazy("With"),
    "cause": _lazy("Cause"),
    "changed": _lazy("Changed"),
    "client_correlation_id": _lazy("What the program calls its request"),
    "codes_left": _lazy("Recovery codes left"),
    "created_since": _lazy("Created since (UTC)"),
    "creators": _lazy("Who may create API keys"),
    "days": _lazy("Days that activity is kept"),
    "deleted_keys": _lazy("Number of deleted API keys"),
    "delete_days": _lazy("Days until it is deleted"),
    "disable": _lazy("Disabled"),
    "disable_days": _lazy("Days until it is disabled"),
    "enabled": _lazy("Enabled"),
    "expires_within_days": _lazy("Expires within days"),
    "factor": _lazy("With"),
    "filter": _lazy("Filters"),
    "format": _lazy("Format"),
    "found_value": _lazy("Value was found"),
    "group": _lazy("Group of the review"),
    "heir": _lazy("New manager of the service IDs"),
    "host": _lazy("Host"),
    "instance_name": _lazy("Name"),
    "keys": _lazy("API keys"),
    "keys_per_identity": _lazy("API keys for each person and service ID"),
    "kind": _lazy("Kind"),
    "kinds": _lazy("Kinds"),
    "leaked": _lazy("Found in public"),
    "lock": _lazy("Locked"),
    "managed_by": _lazy("Manager"),
    "max_lifetime_days": _lazy("Days until an API key expires at most"),
    "message": _lazy("Message"),
    "must_expire": _lazy("API keys must expire"),
    "networks": _lazy("Networks"),
    "never_used": _lazy("Never used"),
    "new_device": _lazy("New device"),
    "off": _lazy("No longer told by mail"),
    "on": _lazy("Told by mail"),
    "overlap": _lazy("Seconds that the previous value works"),
    "owner": _lazy("Owner"),
    "pause": _lazy("Seconds of the pause"),
    "person": _lazy("Person"),
    "previous_value": _lazy("Previous value"),
    "reports": _lazy("Values in the report"),
    "result": _lazy("Result"),
    "scope": _lazy("What the key may do"),
    "search": _lazy("Search"),
    "sentence": _lazy("What it allows"),
    "service_ids": _lazy("Number of service IDs"),
    "sessions": _lazy("Number of sessions"),
    "settings": _lazy("Settings"),
    "since": _lazy("Since"),
    "source": _lazy("Found where"),
    "status": _lazy("Status"),
    "step": _lazy("Step"),
    "times": _lazy("How often"),
    "type": _lazy("Type"),
    "until": _lazy("Until"),
    "unused_for_days": _lazy("Not used for days"),
    "url_changed": _lazy("Address changed"),
    "uses": _lazy("How often"),
    "value_number": _lazy("Number of the value"),
    "warn_days": _lazy("Days until the warning"),
    "webhook": _lazy("ID of the webhook"),
}
# Of the fields that hold a word, or several behind commas, what each word is; what has no word here is a name.
VALUES: dict[str, dict[str, Words]] = {
    "alarm": {"noted": _lazy("Noted")},
    "by": {
        "current password": _lazy("Current password"),
        "link": _lazy("Link of an administrator"),
        "passcode grant": _lazy("One-time passcode, at the command line"),
        "password grant": _lazy("Password, at the command line"),
        "single sign-on": _lazy("Single sign-on"),
    },
    "cause": {
        "expired": _lazy("Long expired"),
        "identity deleted": _lazy("Its owner was deleted"),
        "review rule": _lazy("A rule of the review"),
        "service ID deleted": _lazy("Its service ID was deleted"),
    },
    "changed": OF_PERSON,
    "creators": {
        Creators.EVERYBODY: _lazy("Everybody"),
        Creators.SOME: _lazy("Whom an administrator allows it"),
        Creators.ADMINISTRATORS: _lazy("Administrators"),
    },
    "factor": {
        "all": _lazy("All"),
        "app": _lazy("Authenticator app"),
        "passkey": _lazy("Passkey"),
        "password": _lazy("Password"),
        "recovery code": _lazy("Recovery code"),
        "recovery codes": _lazy("Recovery codes"),
        "single sign-on": _lazy("Single sign-on"),
    },
    "format": {"csv": "CSV", "json": "JSON"},
    "group": {str(kind): title for kind, title in REVIEW_GROUPS.items()},
    "keys": {"all": _lazy("Everybody's"), "own": _lazy("Own")},
    "kind": {str(kind): title for kind, title in KINDS.items()},
    "kinds": {str(kind): title for kind, title in KINDS.items()},
    "off": {},  # whoever sends mails says what these are
    "on": {},
    "previous_value": {"ended": _lazy("Ended"), "extended": _lazy("Works longer")},
    "result": {**OUTCOMES},
    "status": {str(status): title for status, title in STATUSES.items()},
    "step": {
        ReviewStep.WARN: _lazy("Warned"),
        ReviewStep.DISABLE: _lazy("Disabled"),
        ReviewStep.DELETE: _lazy("Deleted"),
        "announced": _lazy("New one announced"),
        "changed": _lazy("Changed"),
        "former forgotten": _lazy("Former one given up"),
    },
    "type": {"serviceid": _lazy("Service IDs"), "user": _lazy("People")},
}  # fmt: skip
EMPTY: dict[str, Words] = {"kinds": _lazy("All")}  # what it says where a field holds nothing, if that is something
FLAGS = ("leaked", "never_used")  # filters, which events of exports have as text
BOOLEANS = {"false": False, "true": True}


def what(event: AuditEvent) -> str:
    """Return what happened, as precisely as the event tells it."""
    data, action = event.request_data, audit.plain(event.action)
    plain = words(event.action, event.outcome, data.get("factor"))
    if event.outcome != audit.SUCCESS:
        return plain
    if action == audit.PERSON_PASSWORD:
        by = data.get("by")
        return _("Password changed") if by == "current password" else _of_link(by)
    if action in OF_FACTORS:
        factor = FACTORS.get(str(data.get("factor", "")))
        return f"{plain} ({factor})" if factor else plain
    if action == audit.PERSON_UPDATE:
        return _of_person(data)
    if action in (audit.UPDATE, audit.DELETE) and (data.get("leaked") or data.get("found_value")):
        return _of_leak(action, data)
    if action == audit.REVOKE and data.get("keys"):
        return _("API keys disabled: %(number)s") % {"number": f"{int(data['keys']):,}"}
    for (of_action, name), (so, not_so) in CHANGES.items():
        if action == of_action and name in data:
            return str(so if data[name] else not_so)
    return plain


def _of_link(by: object) -> str:
    return _("Password chosen with a link") if by == "link" else _("Link to choose a password made")


def _of_person(data: dict[str, Any]) -> str:
    if "active" in data:
        return _("User activated again") if data["active"] else _("User deactivated")
    changed = [str(OF_PERSON[name]) for name in str(data.get("changed", "")).split(", ") if name in OF_PERSON]
    return _("Changed: %(fields)s") % {"fields": ", ".join(changed)} if changed else _("User changed")


def _of_leak(action: str, data: dict[str, Any]) -> str:
    if "found_value" in data:
        if data.get("disable"):
            return _("Somebody who had found the value disabled the API key")
        return _("Somebody who had found a previous value ended it")
    return _("Reported as found in public, and deleted") if action == audit.DELETE else _("Reported as found in public")


def why(event: AuditEvent) -> str:
    """Return why something was refused, "" where it was not; what an earlier release called so stands as it was."""
    return str(REASONS.get(event.reason, event.reason))


def details(event: AuditEvent) -> Iterator[tuple[str, str]]:
    """Yield what each field of an event's data is called, and what it says; settings have the names that they have."""
    for name, told in sorted(event.request_data.items()):
        yield field_in_words(name), _value_in_words(name.removeprefix("prev_"), told)


def field_in_words(name: str) -> str:
    """Return what a field is called; one without words stands as it is."""
    words = str(FIELDS.get(name.removeprefix("prev_"), name.removeprefix("prev_")))
    return _("%(field)s, before") % {"field": words} if name.startswith("prev_") else words


def _value_in_words(name: str, told: object) -> str:
    if told is None or told == "":
        return str(EMPTY.get(name, "–"))
    if name in FLAGS and isinstance(told, str):
        told = BOOLEANS.get(told.lower(), told)
    if isinstance(told, bool):
        return _("Yes") if told else _("No")
    if name == "type" and told in CATALOGUE:
        return words(str(told), audit.SUCCESS)
    if name in VALUES and isinstance(told, str):
        known = VALUES[name]
        return "; ".join(str(known.get(word, word)) for word in told.split(", "))
    return str(told)
