"""IAM's JSON to and from the domain's data; no Django. docs/iam-contract.md has the facts about IBM's."""

import json
import re
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

from apikeys import domain
from apikeys.exceptions import InvalidApiKey
from apikeys.exceptions import gettext_noop as _

KEY_FILE_NAME = "apikey.json"
MAX_PAGE_SIZE = 100
SORT_WORDS = {
    domain.Sort.NAME: "name",
    domain.Sort.DESCRIPTION: "description",
    domain.Sort.CREATED: "created_at",
    domain.Sort.CREATED_BY: "created_by",
}
LIMITS = {"scope": "scopes", "networks": "networks"}  # texts of a key that are lists in JSON
# Of lists of this project alone, as are all filters: their parameters have the names of `domain.Filters`.
OWNER = "owner"  # the parameter of a list that says whose keys, in any words
OWN_SORT_WORDS = {domain.Sort.LAST_USED: "last_authn", domain.Sort.EXPIRES: "expires_at"}
# In the order of IBM's answers.
KEY_MEMBERS = (
    "id", "entity_tag", "crn", "locked", "disabled", "created_at", "created_by", "modified_at", "expires_at",
    "support_sessions", "action_when_leaked", "name", "description", "iam_id", "account_id",
)  # fmt: skip
SERVICE_ID_MEMBERS = (
    "id", "iam_id", "entity_tag", "crn", "locked", "created_at", "modified_at", "account_id", "name", "description",
    "unique_instance_crns", "managed_by", "disabled",
)  # fmt: skip
# What the Warning of an answer to a creation says: an IAM that does not know decoys would make a key that works.
DECOY_MADE = "The key is a decoy: any use of it is refused and raises the alarm."
DATE = re.compile(r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2})(:\d{2})?(?:\+0000|\+00:00|Z)", re.ASCII)
DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def format_date(moment: datetime) -> str:
    """Return the moment as IBM writes it: `2026-02-19T18:59+0000`, UTC, to the minute."""
    # strftime's %Y has fewer than four digits for early years.
    return f"{moment.astimezone(UTC).isoformat(timespec='minutes')[:16]}+0000"


def parse_date(text: str) -> datetime:
    """Read `yyyy-MM-ddTHH:mm+0000`, seconds optional. Raises InvalidApiKey for the field `expires_at`."""
    found = DATE.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        return datetime.fromisoformat(found[1] + (found[2] or "")).replace(tzinfo=UTC)
    except ValueError:
        raise InvalidApiKey(
            "expires_at", _("The expiration date is not valid. Write it like 2030-01-31T18:00+0000.")
        ) from None


def parse_day(text: str) -> date:
    """Read `yyyy-MM-dd`. Raises ValueError."""
    if DAY.fullmatch(text) is None:
        raise ValueError(text)
    return date.fromisoformat(text)


def parse_days(text: str) -> int:
    """Read how many days a filter reaches, 1 to MAX_DAYS. Raises ValueError."""
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= domain.MAX_DAYS):
        raise ValueError(text)
    return int(text)


def applied(query: domain.ApiKeyQuery, *more: str) -> dict[str, list[str]]:
    """Return the member of a page that names the parameters of this project alone which it obeys, where it does any.

    `more` are those that the query does not tell.
    Any other IAM may ignore such a parameter and answer with keys that were not asked for: it lacks this member.
    """
    names = query.filters.given() | ({"sort"} if query.sort in OWN_SORT_WORDS else set()) | {*more}
    return {"applied": sorted(names)} if names else {}


def not_applied(parameters: dict[str, str], answer: dict[str, Any]) -> list[str]:
    """Return the names of such parameters that a page was asked for with and does not say to obey."""
    own = {name for name in parameters if name in domain.ALL_FILTERS or name == OWNER}
    if parameters.get("sort") in OWN_SORT_WORDS.values():
        own.add("sort")
    obeyed = _list(answer, "applied")
    return sorted(name for name in own if name not in obeyed)


def key_file(issued: domain.IssuedApiKey) -> str:
    """Return the file that the page offers: four fields in IBM's order, indented with tabs."""
    fields = {
        "name": issued.key.name,
        "description": issued.key.description,
        "createdAt": format_date(issued.key.created_at),
        "apikey": issued.value,
    }
    return json.dumps(fields, ensure_ascii=False, indent="\t") + "\n"


def api_key(
    key: domain.ApiKey, *, value: str = "", history: Iterable[domain.HistoryEntry] | None = None, activity: bool = False
) -> dict[str, Any]:
    """Return an ApiKey as IBM's API does, fields in its order; `apikey` is there only with a value."""
    fields = _attributes(key, KEY_MEMBERS)
    if value:
        fields["apikey"] = value
    fields["leaked"] = key.leaked
    if key.scope or key.networks:
        fields |= _limits_of(key)
    if key.paused_until is not None and key.is_paused:
        fields["paused_until"] = format_second(key.paused_until)
    if history is None and not activity:
        return fields
    return fields | _on_request(history, domain.Usage(key.use_count, key.last_used_at) if activity else None)


def owner(found: domain.Owner) -> dict[str, str]:
    """Return who owns a key, in words: what lists of everybody's keys and exports tell, and IBM's answers do not."""
    return {"owner": found.name, "owner_user_id": found.user_id}


def _limits_of(thing: domain.ApiKey | domain.ApiKeyDraft) -> dict[str, list[str]]:
    """Return what a key is limited to, each only where there is a limit: IBM's keys have none."""
    return {name: text.split() for attribute, name in LIMITS.items() if (text := getattr(thing, attribute))}


def _on_request(history: Iterable[domain.HistoryEntry] | None, usage: domain.Usage | None) -> dict[str, Any]:
    """Return the members of a key or a service ID that are there where they were asked for."""
    found: dict[str, Any] = {} if history is None else {"history": [history_entry(entry) for entry in history]}
    if usage is None:
        return found
    last = {} if usage.last_used_at is None else {"last_authn": format_date(usage.last_used_at)}
    return found | {"activity": {**last, "authn_count": usage.count}}


def format_second(moment: datetime) -> str:
    """Return a moment in UTC to the second, as `yyyy-MM-ddTHH:mm:ss+0000`."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}+0000"


def deleted_key(deleted: domain.DeletedKey, identity: domain.Identity) -> dict[str, Any]:
    """Return a deleted key: what it was, when and by whom it was deleted, and until when it can be restored."""
    return api_key(deleted.key) | {
        "deleted_at": format_second(deleted.deleted_at),
        "deleted_by": deleted.deleted_by,
        "gone_at": format_second(deleted.gone_at),
        "restorable": deleted.is_restorable_by(identity),
    }


def key_use(use: domain.KeyUse) -> dict[str, Any]:
    """Return where a key is used, the latest place first, and how often on each day, today last."""
    return {
        "places": [place(found) for found in use.places],
        "days": [{"day": day.day.isoformat(), "uses": day.uses, "refusals": day.refusals} for day in use.days],
    }


def place(found: domain.Place) -> dict[str, Any]:
    moments = {name: getattr(found, name) for name in ("first_used_at", "last_used_at", "refused_at")}
    return {
        "address": found.address,
        "client": found.client,
        "uses": found.uses,
        "refusals": found.refusals,
        "value_number": found.value_number,
        **{name: format_second(moment) for name, moment in moments.items() if moment is not None},
        **({"reason": str(found.reason)} if found.reason else {}),
    }


def rotation(previous: domain.PreviousValue, progress: domain.Progress) -> dict[str, Any]:
    """Return how far a rotation is; without `ends_at` the previous value works until somebody ends it."""
    return {
        **({"ends_at": format_second(previous.ends_at)} if previous.ends_at else {}),
        "awaits_answer": previous.awaits_answer,
        "clients": progress.clients,
        "moved": progress.moved,
        "waiting": [place(found) for found in progress.waiting],
    }


def refusal(found: domain.Refusal) -> dict[str, Any]:
    return {
        "apikey_id": found.key_id,
        "request_id": found.request_id,
        "at": format_second(found.at),
        "reason": str(found.reason),
        "value_number": found.value_number,
        "address": found.address,
        "agent": found.agent,
    }


def cause(found: domain.Cause) -> dict[str, Any]:
    """Return why a key is refused now."""
    moments = {"since": found.since, "until": found.until}
    return {
        "reason": str(found.reason),
        **({"by": found.by} if found.by else {}),
        **{name: format_second(moment) for name, moment in moments.items() if moment is not None},
    }


def create_body(draft: domain.ApiKeyDraft, account_id: str) -> dict[str, Any]:
    """Return the body that asks for a key; headers say whether it is locked or disabled."""
    asked = {name: _json(value) for name, value in draft.attributes().items() if value is not None}
    del asked["locked"], asked["disabled"], asked["is_decoy"], asked["scope"], asked["networks"]
    own_value = {"apikey": draft.value} if draft.value else {}
    decoy = {"decoy": True} if draft.is_decoy else {}
    return {**asked, **own_value, **_limits_of(draft), **decoy, "account_id": account_id, "store_value": False}


def update_body(changes: domain.ApiKeyChanges) -> dict[str, Any]:
    """Return the body that asks for these changes of a key."""
    given = changes.given()
    limits = {LIMITS[name]: str(given.pop(name)).split() for name in LIMITS if name in given}
    return {name: _json(change) for name, change in given.items()} | limits


def _attributes(thing: domain.ApiKey | domain.ServiceId, names: Iterable[str]) -> dict[str, Any]:
    """Return those attributes that are not None."""
    # Most are text, which is there a thousand times in a list, and needs no call.
    return {
        name: found if type(found) is str else _json(found)
        for name in names
        if (found := getattr(thing, name)) is not None
    }


def _json(value: object) -> object:
    """Return an attribute as JSON has it; "" in a change removes what the record has."""
    if isinstance(value, datetime):
        return format_date(value)
    if isinstance(value, tuple):
        return list(value)
    return "" if value is None else value


def parse_api_key(fields: dict[str, Any]) -> domain.ApiKey:
    """Read an ApiKey as IBM's API answers it; absent members have their defaults.

    Raises ValueError for a missing id, name or date of creation, and for a malformed id or date.
    """
    activity = fields.get("activity")
    activity = activity if isinstance(activity, dict) else {}
    created_at = _moment(fields, "created_at")
    if created_at is None:
        raise ValueError("created_at")
    key_id = _needed(fields, "id")
    if not domain.API_KEY_ID.fullmatch(key_id):  # it becomes part of URLs
        raise ValueError("id")
    return domain.ApiKey(
        id=key_id,
        entity_tag=text_of(fields, "entity_tag"),
        name=_needed(fields, "name"),
        description=text_of(fields, "description"),
        iam_id=text_of(fields, "iam_id"),
        account_id=text_of(fields, "account_id"),
        created_at=created_at,
        created_by=text_of(fields, "created_by"),
        modified_at=_moment(fields, "modified_at") or created_at,
        hint="",
        locked=fields.get("locked") is True,
        disabled=fields.get("disabled") is True,
        leaked=fields.get("leaked") is True,
        expires_at=_moment(fields, "expires_at"),
        support_sessions=fields.get("support_sessions") is True,
        action_when_leaked=_leaked_action(fields),
        paused_until=_moment(fields, "paused_until"),
        scope=" ".join(map(str, _list(fields, "scopes"))),
        networks=" ".join(map(str, _list(fields, "networks"))),
        last_used_at=_moment(activity, "last_authn"),
        use_count=count if isinstance(count := activity.get("authn_count"), int) else 0,
    )


def parse_history(fields: dict[str, Any]) -> list[domain.HistoryEntry]:
    """Read the `history` of an ApiKey, oldest first. Raises ValueError for an entry without its date."""
    entries = [entry for entry in _list(fields, "history") if isinstance(entry, dict)]
    found = [
        domain.HistoryEntry(
            timestamp=moment,
            iam_id=text_of(entry, "iam_id"),
            account_id=text_of(entry, "iam_id_account"),
            action=text_of(entry, "action"),
            params=tuple(map(str, _list(entry, "params"))),
            message=text_of(entry, "message"),
        )
        for entry in entries
        if (moment := _moment(entry, "timestamp"))
    ]
    return sorted(found, key=lambda entry: entry.timestamp)


def without_surrogates(text: str) -> str:
    """Return the text with "?" for lone surrogates, which JSON can spell and neither UTF-8 nor a database can hold."""
    return text.encode("utf-8", "replace").decode()


def text_of(fields: dict[str, Any], name: str) -> str:
    """Return a member that is text, "" for anything else."""
    found = fields.get(name)
    return without_surrogates(found) if isinstance(found, str) else ""


def _list(fields: dict[str, Any], name: str) -> list[Any]:
    found = fields.get(name)
    return found if isinstance(found, list) else []


def _needed(fields: dict[str, Any], name: str) -> str:
    if not (found := text_of(fields, name)):
        raise ValueError(name)
    return found


def _moment(fields: dict[str, Any], name: str) -> datetime | None:
    """Return a date of an answer, None where it is absent. Raises ValueError for a malformed one."""
    text = text_of(fields, name)
    try:
        return parse_date(text) if text else None
    except InvalidApiKey:
        raise ValueError(name) from None


def _leaked_action(fields: dict[str, Any]) -> domain.LeakedAction:
    try:
        return domain.LeakedAction(text_of(fields, "action_when_leaked").lower() or domain.LeakedAction.NONE)
    except ValueError:  # an action that IBM has added since
        return domain.LeakedAction.NONE


def service_id(
    service: domain.ServiceId,
    *,
    history: Iterable[domain.HistoryEntry] | None = None,
    usage: domain.Usage | None = None,
) -> dict[str, Any]:
    """Return a ServiceId as IBM's API does, and with the members `managed_by` and `disabled`, which IBM's has not."""
    return _attributes(service, SERVICE_ID_MEMBERS) | _on_request(history, usage)


def history_entry(entry: domain.HistoryEntry) -> dict[str, Any]:
    return {
        "timestamp": format_date(entry.timestamp),
        "iam_id": entry.iam_id,
        "iam_id_account": entry.account_id,
        "action": entry.action,
        "params": list(entry.params),
        "message": entry.message,
    }
