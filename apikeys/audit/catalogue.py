"""The catalogue of audit events: each action, what it is about, and how severe it is; docs/audit.md is its table."""

from dataclasses import dataclass
from enum import StrEnum

from apikeys.domain import SERVICE_ID_PREFIX

CREATE = "iam-identity.user-apikey.create"
UPDATE = "iam-identity.user-apikey.update"
DELETE = "iam-identity.user-apikey.delete"
ROTATE = "iam-identity.user-apikey.rotate"
RESTORE = "iam-identity.user-apikey.restore"
REVOKE = "iam-identity.user-apikey.revoke"  # all of a person, or of everybody
EXPORT = "iam-identity.user-apikey.export"  # of a list, whose filters it tells
EXCHANGE = "iam-identity.user-apikey.login"  # an exchange for an access token
DECOY = "iam-identity.user-apikey.decoy"  # somebody used one
READ = "iam-identity.user-apikey.read"  # of somebody else's, which was refused
LEAK_REPORT = "iam-identity.leak-report.create"

RULES_UPDATE = "iam-identity.account-settings.update"

SERVICE_ID_CREATE = "iam-identity.account-serviceid.create"
SERVICE_ID_UPDATE = "iam-identity.account-serviceid.update"
SERVICE_ID_DELETE = "iam-identity.account-serviceid.delete"

SCOPE_CREATE = "iam-identity.account-scope.create"
SCOPE_UPDATE = "iam-identity.account-scope.update"
SCOPE_DELETE = "iam-identity.account-scope.delete"

PERSON_CREATE = "console.user.create"
PERSON_UPDATE = "console.user.update"
PERSON_DELETE = "console.user.delete"
PERSON_PASSWORD = "console.user.password"  # noqa: S105  (a link to choose one, or the choice)

LOG_IN = "console.login.start"
FIRST_STEP = "console.login.first-step"  # of two: the password was right
LOG_OUT = "console.login.end"
LIMIT = "console.login.limit"  # a limit on attempts was reached
PROOF = "console.login.proof"  # asked again for what one logs in with

FACTOR_CREATE = "console.factor.create"
FACTOR_UPDATE = "console.factor.update"
FACTOR_DELETE = "console.factor.delete"
SESSION_DELETE = "console.session.delete"  # ended from elsewhere

CSRF = "console.request.forged"  # a form failed the CSRF check
DENIED = "console.request.denied"  # 403

REVIEW_RULE_UPDATE = "console.review-rule.update"
PEPPER_CREATE = "console.pepper.create"
PEPPER_DELETE = "console.pepper.delete"
SIGNING_KEY_CREATE = "console.signing-key.create"
SECRET_KEY_UPDATE = "console.secret-key.update"  # noqa: S105  (the name of an action)
SETTING_UPDATE = "console.setting.update"  # of the environment, seen at a start
WEBHOOK_CREATE = "console.webhook.create"
WEBHOOK_UPDATE = "console.webhook.update"
WEBHOOK_DELETE = "console.webhook.delete"
WEBHOOK_SECRET = "console.webhook.secret"  # noqa: S105  (a new one was made)
WEBHOOK_TEST = "console.webhook.test"
WEBHOOK_REPLAY = "console.webhook.replay"
AUDIT_EXPORT = "console.audit.export"
AUDIT_DELETE = "console.audit.delete"  # what was kept for long enough


class Severity(StrEnum):
    """How much an event asks for attention, in the words of IBM Cloud's audit events."""

    NORMAL = "normal"  # routine
    WARNING = "warning"  # a change, or a failure
    CRITICAL = "critical"  # credentials were changed, something was deleted, somebody was refused


class EventKind(StrEnum):
    """What people look for: events of one kind, in the order of a menu."""

    KEYS = "keys"
    SERVICE_IDS = "service_ids"
    LOG_INS = "log_ins"
    USERS = "users"
    REFUSALS = "refusals"
    SETTINGS = "settings"


@dataclass(frozen=True, slots=True)
class Action:
    """`severity` is that of a success, `of_failure` that of a failure."""

    kind: EventKind
    severity: Severity
    of_failure: Severity = Severity.WARNING


_NORMAL, _WARNING, _CRITICAL = Severity.NORMAL, Severity.WARNING, Severity.CRITICAL

CATALOGUE = {
    CREATE: Action(EventKind.KEYS, _CRITICAL),
    UPDATE: Action(EventKind.KEYS, _WARNING),
    DELETE: Action(EventKind.KEYS, _CRITICAL),
    ROTATE: Action(EventKind.KEYS, _CRITICAL),
    RESTORE: Action(EventKind.KEYS, _CRITICAL),
    REVOKE: Action(EventKind.KEYS, _CRITICAL),
    EXPORT: Action(EventKind.KEYS, _WARNING),
    EXCHANGE: Action(EventKind.KEYS, _NORMAL),
    DECOY: Action(EventKind.REFUSALS, _CRITICAL, _CRITICAL),
    READ: Action(EventKind.REFUSALS, _CRITICAL, _CRITICAL),
    LEAK_REPORT: Action(EventKind.KEYS, _CRITICAL),
    RULES_UPDATE: Action(EventKind.SETTINGS, _WARNING),
    SERVICE_ID_CREATE: Action(EventKind.SERVICE_IDS, _CRITICAL),
    SERVICE_ID_UPDATE: Action(EventKind.SERVICE_IDS, _WARNING),
    SERVICE_ID_DELETE: Action(EventKind.SERVICE_IDS, _CRITICAL),
    SCOPE_CREATE: Action(EventKind.SETTINGS, _CRITICAL),
    SCOPE_UPDATE: Action(EventKind.SETTINGS, _WARNING),
    SCOPE_DELETE: Action(EventKind.SETTINGS, _CRITICAL),
    PERSON_CREATE: Action(EventKind.USERS, _CRITICAL),
    PERSON_UPDATE: Action(EventKind.USERS, _WARNING),
    PERSON_DELETE: Action(EventKind.USERS, _CRITICAL),
    PERSON_PASSWORD: Action(EventKind.USERS, _CRITICAL),
    LOG_IN: Action(EventKind.LOG_INS, _NORMAL),
    FIRST_STEP: Action(EventKind.LOG_INS, _NORMAL),
    LOG_OUT: Action(EventKind.LOG_INS, _NORMAL),
    LIMIT: Action(EventKind.LOG_INS, _CRITICAL, _CRITICAL),
    PROOF: Action(EventKind.LOG_INS, _NORMAL),
    FACTOR_CREATE: Action(EventKind.LOG_INS, _CRITICAL),
    FACTOR_UPDATE: Action(EventKind.LOG_INS, _CRITICAL),
    FACTOR_DELETE: Action(EventKind.LOG_INS, _CRITICAL),
    SESSION_DELETE: Action(EventKind.LOG_INS, _WARNING),
    CSRF: Action(EventKind.REFUSALS, _WARNING),
    DENIED: Action(EventKind.REFUSALS, _CRITICAL, _CRITICAL),
    REVIEW_RULE_UPDATE: Action(EventKind.SETTINGS, _WARNING),
    PEPPER_CREATE: Action(EventKind.SETTINGS, _CRITICAL),
    PEPPER_DELETE: Action(EventKind.SETTINGS, _CRITICAL),
    SIGNING_KEY_CREATE: Action(EventKind.SETTINGS, _CRITICAL),
    SECRET_KEY_UPDATE: Action(EventKind.SETTINGS, _CRITICAL),
    SETTING_UPDATE: Action(EventKind.SETTINGS, _WARNING),
    WEBHOOK_CREATE: Action(EventKind.SETTINGS, _CRITICAL),
    WEBHOOK_UPDATE: Action(EventKind.SETTINGS, _CRITICAL),
    WEBHOOK_DELETE: Action(EventKind.SETTINGS, _CRITICAL),
    WEBHOOK_SECRET: Action(EventKind.SETTINGS, _CRITICAL),
    WEBHOOK_TEST: Action(EventKind.SETTINGS, _NORMAL),
    WEBHOOK_REPLAY: Action(EventKind.SETTINGS, _WARNING),
    AUDIT_EXPORT: Action(EventKind.SETTINGS, _WARNING),
    AUDIT_DELETE: Action(EventKind.SETTINGS, _CRITICAL),
}

# The same of a service ID's key, as IBM Cloud's audit events call it. What was refused names no key, and is a user's.
OF_SERVICE_IDS = {
    action: action.replace("user-apikey", "serviceid-apikey")
    for action in (CREATE, UPDATE, DELETE, ROTATE, RESTORE, EXCHANGE, DECOY)
}
CATALOGUE |= {action: CATALOGUE[plain] for plain, action in OF_SERVICE_IDS.items()}
_PLAIN = {action: plain for plain, action in OF_SERVICE_IDS.items()}


def of_owner(action: str, iam_id: str) -> str:
    """Return what an action on a key is called by who owns it."""
    return OF_SERVICE_IDS.get(action, action) if iam_id.startswith(SERVICE_ID_PREFIX) else action


def plain(action: str) -> str:
    """Return what an action is called where it does not matter who owns the key."""
    return _PLAIN.get(action, action)


def severity_of(action: str, *, failed: bool) -> Severity:
    """Return how severe an event is. Raises KeyError for an action that the catalogue lacks."""
    found = CATALOGUE[action]
    return found.of_failure if failed else found.severity


def actions_of(kind: EventKind) -> list[str]:
    """Return the actions of one kind."""
    return [name for name, action in CATALOGUE.items() if action.kind is kind]
