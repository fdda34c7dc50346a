"""What happened, for people to look through: who did what to which key, from where; with words for each action.

A person sees what they did and what concerns them, an administrator everything.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apikeys import audit
from apikeys.audit import search
from apikeys.audit.catalogue import EventKind
from apikeys.audit.search import EventPage, EventQuery
from apikeys.backends import store_traits
from apikeys.domain import API_KEY_ID, Caller, api_key_crn
from apikeys.iam.exports import Format
from apikeys.iam.payloads import format_second
from apikeys.models import AuditEvent
from apikeys.services.exporting import PAGE_SIZE, Parts

COLUMNS = (
    "id", "event_time", "action", "outcome", "severity", "reason", "initiator_id", "initiator_name", "address", "agent",
    "correlation_id", "target_id", "target_name", "request_data",
)  # fmt: skip
KINDS = {
    EventKind.KEYS: _("API keys"),
    EventKind.SERVICE_IDS: _("Service IDs"),
    EventKind.LOG_INS: _("Log-ins"),
    EventKind.USERS: _("Users"),
    EventKind.REFUSALS: _("Refused requests"),
    EventKind.SETTINGS: _("Settings"),
}
OUTCOMES = {
    audit.SUCCESS: _("Succeeded"),
    audit.FAILURE: _("Refused"),
    audit.UNKNOWN: _("Unknown"),
}
# Of each action what was done, and what was not; of some that is the same.
WORDS: dict[str, tuple[Promise, Promise]] = {
    audit.CREATE: (_("API key created"), _("API key not created")),
    audit.UPDATE: (_("API key changed"), _("API key not changed")),
    audit.DELETE: (_("API key deleted"), _("API key not deleted")),
    audit.ROTATE: (_("API key rotated"), _("API key not rotated")),
    audit.RESTORE: (_("API key restored"), _("API key not restored")),
    audit.REVOKE: (_("API keys revoked"), _("API keys not revoked")),
    audit.EXPORT: (_("List of API keys exported"), _("List of API keys not exported")),
    audit.EXCHANGE: (_("API key exchanged for a token"), _("API key not exchanged for a token")),
    audit.DECOY: (_("Decoy used"), _("Decoy used")),
    audit.READ: (_("Somebody else's API key asked for"), _("Somebody else's API key asked for")),
    audit.LEAK_REPORT: (_("Report of leaked keys"), _("Report of leaked keys refused")),
    audit.RULES_UPDATE: (_("Rules changed"), _("Rules not changed")),
    audit.SERVICE_ID_CREATE: (_("Service ID created"), _("Service ID not created")),
    audit.SERVICE_ID_UPDATE: (_("Service ID changed"), _("Service ID not changed")),
    audit.SERVICE_ID_DELETE: (_("Service ID deleted"), _("Service ID not deleted")),
    audit.SCOPE_CREATE: (_("Scope defined"), _("Scope not defined")),
    audit.SCOPE_UPDATE: (_("Scope changed"), _("Scope not changed")),
    audit.SCOPE_DELETE: (_("Scope deleted"), _("Scope not deleted")),
    audit.PERSON_CREATE: (_("User created"), _("User not created")),
    audit.PERSON_UPDATE: (_("User changed"), _("User not changed")),
    audit.PERSON_DELETE: (_("User deleted"), _("User not deleted")),
    audit.PERSON_PASSWORD: (_("Password changed, or link to choose one made"), _("Password not changed")),
    audit.LOG_IN: (_("Logged in"), _("Log-in refused")),
    audit.FIRST_STEP: (_("First step of a log-in done"), _("Log-in refused")),
    audit.LOG_OUT: (_("Logged out"), _("Not logged out")),
    audit.LIMIT: (_("Too many attempts"), _("Too many attempts")),
    audit.PROOF: (_("Asked again who they are"), _("Asked again who they are, and refused")),
    audit.FACTOR_CREATE: (_("Second factor set up"), _("Second factor not set up")),
    audit.FACTOR_UPDATE: (_("Recovery codes made"), _("Second factor not changed")),
    audit.FACTOR_DELETE: (_("Second factor removed"), _("Second factor not removed")),
    audit.SESSION_DELETE: (_("Session ended"), _("Session not ended")),
    audit.CSRF: (_("Form refused"), _("Form refused")),
    audit.DENIED: (_("Request not allowed"), _("Request not allowed")),
    audit.REVIEW_RULE_UPDATE: (_("Review rule changed"), _("Review rule not changed")),
    audit.PEPPER_CREATE: (_("Pepper added"), _("Pepper not added")),
    audit.PEPPER_DELETE: (_("Pepper removed"), _("Pepper not removed")),
    audit.SIGNING_KEY_CREATE: (_("Signing key made"), _("Signing key not made")),
    audit.SECRET_KEY_UPDATE: (_("Secret key changed"), _("Secret key not changed")),
    audit.SETTING_UPDATE: (_("Settings changed"), _("Settings not changed")),
    audit.WEBHOOK_CREATE: (_("Webhook created"), _("Webhook not created")),
    audit.WEBHOOK_UPDATE: (_("Webhook changed"), _("Webhook not changed")),
    audit.WEBHOOK_DELETE: (_("Webhook deleted"), _("Webhook not deleted")),
    audit.WEBHOOK_SECRET: (_("Secret of a webhook made anew"), _("Webhook not changed")),
    audit.WEBHOOK_TEST: (_("Webhook tested"), _("Webhook not tested")),
    audit.WEBHOOK_REPLAY: (_("Sent again to a webhook"), _("Not sent again to a webhook")),
    audit.AUDIT_EXPORT: (_("Activity exported"), _("Activity not exported")),
    audit.AUDIT_DELETE: (_("Old activity removed"), _("Old activity not removed")),
}
# The same where an event names a factor with which something else was done than with others.
WORDS_OF_FACTOR: dict[tuple[str, str], tuple[Promise, Promise]] = {
    (audit.FACTOR_CREATE, "single sign-on"): (_("Single sign-on connected"), _("Single sign-on not connected")),
    (audit.FACTOR_DELETE, "single sign-on"): (_("Single sign-on disconnected"), _("Single sign-on not disconnected")),
    (audit.FACTOR_DELETE, "all"): (_("All second factors removed"), _("Second factors not removed")),
    (audit.LOG_IN, "recovery code"): (_("Logged in with a recovery code"), _("Log-in refused")),
    (audit.PROOF, "recovery code"): (
        _("Asked again who they are, and answered with a recovery code"),
        _("Asked again who they are, and refused"),
    ),
}
# Upstream, where no answer came.
MAY_HAVE = {
    audit.CREATE: _("API key may have been created"),
    audit.DELETE: _("API key may have been deleted"),
}


def words(action: str, outcome: str, factor: object = "") -> str:
    """Return what happened, in the reader's language; `factor` is what the event tells as such."""
    if outcome == audit.UNKNOWN:
        return str(MAY_HAVE.get(audit.plain(action), _("API key may have been changed")))
    plain = audit.plain(action)
    done, not_done = WORDS_OF_FACTOR.get((plain, str(factor))) or WORDS.get(plain, WORDS[audit.UPDATE])
    return str(not_done if outcome == audit.FAILURE else done)


def sees_everything(caller: Caller) -> bool:
    """Tell whether the caller may see what concerns others only."""
    return caller.identity.is_administrator and not store_traits().is_upstream


def find(caller: Caller, query: EventQuery, size: int = search.PAGE_SIZE) -> EventPage:
    """Return a page of events that the caller may see, newest first. Raises SearchTooSlow."""
    if API_KEY_ID.fullmatch(query.text):
        query = replace(query, target=api_key_crn(caller.identity.account_id, query.text))
    return search.find(query, None if sees_everything(caller) else caller.identity.iam_id, size)


class ActivityExport(Parts[EventPage]):
    """Events as a file. Its beginning raises SearchTooSlow, ExportsBusy."""

    columns = COLUMNS

    def __init__(self, caller: Caller, query: EventQuery, form: Format, before: str = "") -> None:
        self.caller, self.query = caller, replace(query, after=None)
        super().__init__(form, before)

    def first(self) -> EventPage:
        page = find(self.caller, self.query, PAGE_SIZE)
        audit.record(self.caller, audit.AUDIT_EXPORT, format=str(self.form), **dict(_told(self.query)))
        return page

    def behind(self, page: EventPage) -> EventPage:
        return find(self.caller, replace(self.query, after=page.next), PAGE_SIZE)

    def records(self, page: EventPage) -> list[dict[str, Any]]:
        return [_record(event) for event in page.events]


def _record(event: AuditEvent) -> dict[str, Any]:
    told = {name: getattr(event, name) for name in COLUMNS}
    return told | {"id": str(event.id), "event_time": format_second(event.event_time)}


def _told(query: EventQuery) -> Iterator[tuple[str, Any]]:
    """Yield which events a query asks for, as an event tells it."""
    given: dict[str, Any] = {"kind": query.kind, "result": query.outcome, "person": query.person, "search": query.text}
    given |= {"since": query.since, "until": query.until}
    for name, value in given.items():
        if value:
            yield name, str(value)
