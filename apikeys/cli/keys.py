"""Commands about keys, all of them below `apikeys iam`."""

import argparse
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from apikeys import scopes
from apikeys.cli import keyfile
from apikeys.cli.export import export
from apikeys.cli.login import require_login
from apikeys.cli.output import Refused, complain, confirm, discard_output, print_json, print_table, report, say
from apikeys.cli.session import Session
from apikeys.domain import ALL_FILTERS
from apikeys.exceptions import InvalidApiKey
from apikeys.iam.payloads import DECOY_MADE, parse_date

if TYPE_CHECKING:  # `requests` takes most of the time that a command needs to start
    from apikeys.iam.client import IAMClient


ANYWHERE = "any"  # of --network: no limit
EVERYTHING = scopes.WHOLE  # of --scope
# What is said where a server ignores a limit, as IBM's ignores what it does not know: that, and what the key may now.
IGNORED = {
    "scopes": (
        "This server does not limit what API keys may do.",
        "The API key may do everything that its owner may.",
    ),
    "networks": ("This server does not limit API keys to networks.", "The API key can be used from everywhere."),
}


def do_list(options: argparse.Namespace) -> None:
    session = require_login()
    asked = {"sort": options.sort, "order": options.order or "", **filters(options), **whose(options, session)}
    if options.export:
        export(options, session, asked)
        return
    if not options.output:
        of = "everybody" if options.all else options.owner or session.user
        report(f"Getting all API keys of {of} under account {session.account_id}...\nOK\n")
    keys = [
        key
        for key in session.ask(lambda client: list(client.list_api_keys(**asked)))
        if matches(key, "name", options.name) and matches(key, "description", options.description)
    ]
    if options.output:
        print_json(keys)
        return
    columns = ["id"] * options.uuid + COLUMNS + ["owner"] * bool(options.all or options.owner)
    print_table([TITLES[column] for column in columns], [[cell(key, column) for column in columns] for key in keys])


COLUMNS = ["name", "description", "created_at", "state"]
TITLES = {
    "id": "UUID",
    "name": "Name",
    "description": "Description",
    "created_at": "Created At",
    "state": "State",
    "owner": "Owner",
}


def owner(session: Session) -> dict[str, str]:
    """Return the parameters that name whose keys to list; IBM's IAM wants both."""
    return {name: text for name in ("account_id", "iam_id") if (text := getattr(session, name))}


def whose(options: argparse.Namespace, session: Session) -> dict[str, str]:
    """Return the parameters that say whose keys: one's own, unless the options name everybody or somebody."""
    if not (options.all or options.owner):
        return owner(session)
    named = {"owner": options.owner} if options.owner else {}
    return {"account_id": session.account_id, "scope": "account", **named}


def filters(options: argparse.Namespace) -> dict[str, str]:
    """Return the parameters that narrow a list down."""
    return {name: text for name in sorted(ALL_FILTERS) if (text := getattr(options, name)) is not None}


def matches(key: dict[str, Any], attribute: str, text: str | None) -> bool:
    return text is None or text.casefold() in str(key.get(attribute) or "").casefold()


def cell(key: dict[str, Any], column: str) -> str:
    if column == "owner":  # of a service ID its name; another IAM tells the IAM ID alone
        return str(key.get("owner_user_id") or key.get("owner") or key.get("iam_id") or "")
    if column != "state":
        return str(key.get(column) or "")
    words = [word for word in ("locked", "disabled", "leaked") if key.get(word)] + ["paused"] * ("paused_until" in key)
    state = [*words, *["expired"] * is_expired(key)] or ["active"]
    return ", ".join([*state, *["limited"] * any(key.get(name) for name in IGNORED)])


def is_expired(key: dict[str, Any]) -> bool:
    try:
        return parse_date(str(key.get("expires_at") or "")) <= datetime.now(UTC)
    except InvalidApiKey:  # none, or one that no IAM writes
        return False


def do_show(options: argparse.Namespace) -> None:
    session = require_login()
    key = find_key(session, options.key)
    key = session.ask(lambda client: client.get_api_key(key["id"]))
    if options.output:
        print_json(key)
        return
    report(f"Getting API key {options.key} under {session.account_id} as {session.user}...\nOK\n")
    show_key(key)


def do_create(options: argparse.Namespace) -> None:
    session = require_login()
    body: dict[str, Any] = {"name": options.name, "description": options.description, "iam_id": session.iam_id}
    if options.action_if_leaked:
        body["action_when_leaked"] = options.action_if_leaked.lower()
    if options.expires:
        body["expires_at"] = options.expires
    if not options.output:
        report(f"Creating API key {options.name} under {session.account_id} as {session.user}...")
    if options.decoy:
        body["decoy"] = True
    limits = limits_of(options)
    body |= {name: asked for name, asked in limits.items() if asked}
    file = keyfile.reserve(options.file) if options.file else None
    warnings: list[str] = []
    try:
        key = session.ask(lambda client: client.create_api_key(body, locked=options.lock, warnings=warnings))
        if options.decoy and DECOY_MADE not in warnings:
            session.ask(lambda client: undo_create(client, key))
            raise Refused("This server makes no decoys. The API key that it created was deleted.")
        for told, _now in ignored(limits, key):
            session.ask(lambda client: undo_create(client, key))
            raise Refused(f"{told} The API key that it created was deleted.")
    except BaseException:
        if file:
            file.remove()
        raise
    try:
        save_or_show(options, key, file, name=options.name, done="created")
    except NotShown as exc:
        session.ask(lambda client: undo_create(client, key))
        raise Refused(f"The API key can't be shown: {exc}. It was deleted.") from None
    for sentence in warnings:
        complain(sentence)


def limits_of(options: argparse.Namespace) -> dict[str, list[str]]:
    """Return the limits that were asked for, each by the name of its member of a key, [] for no limit any more."""
    asked = {"scopes": (options.scopes, EVERYTHING), "networks": (options.networks, ANYWHERE)}
    return {
        name: [one for one in given if one not in ("", no_limit)]
        for name, (given, no_limit) in asked.items()
        if given is not None
    }


def ignored(limits: dict[str, list[str]], key: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what is to be said of each limit that was asked for and that a key, as the server answers, has not."""
    return [IGNORED[name] for name, asked in limits.items() if asked and not key.get(name)]


class NotShown(Exception):
    """A new value is neither saved nor shown."""


def save_or_show(
    options: argparse.Namespace, key: dict[str, Any], file: keyfile.ReservedFile | None, *, name: str, done: str
) -> None:
    """Save a key with its new value in the file, or show it where there is none, or no room. Raises NotShown."""
    saved = False
    if file:
        try:
            file.write(key)
            saved = True
        except OSError as exc:
            complain(f"The API key was {done}, but not saved in {options.file}: {exc.strerror}. It is shown instead.")
    try:
        show_new_value(options, key, saved, f"API key {name} was {done}")
    except OSError as exc:
        if saved:
            raise
        discard_output()
        raise NotShown(exc.strerror) from None


def show_new_value(options: argparse.Namespace, key: dict[str, Any], saved: bool, done: str) -> None:
    if options.output:
        print_json({name: text for name, text in key.items() if name != "apikey"} if saved else key)
        return
    report(f"OK\n{done}\n")
    if saved:
        report(f"Successfully saved API key information to {options.file}")
        return
    report("Please preserve the API key! It cannot be retrieved after it's created.\n")
    show_key(key, value=key.get("apikey", ""))


def undo_create(client: "IAMClient", key: dict[str, Any]) -> None:
    """Delete a key whose value could not be shown."""
    if key.get("locked"):
        client.set_locked(key["id"], False)
    client.delete_api_key(key["id"])


def do_update(options: argparse.Namespace) -> None:
    changes: dict[str, Any] = {
        name: text for name in ("name", "description") if (text := getattr(options, name)) is not None
    }
    if options.action_if_leaked:
        changes["action_when_leaked"] = options.action_if_leaked.lower()
    if options.expires is not None:
        changes["expires_at"] = options.expires
    limits = limits_of(options)
    changes |= limits
    if not changes:
        options.parser.error(
            "say what to change: -n NAME, -d DESCRIPTION, --expires WHEN, --action-if-leaked ACTION, --scope NAME or "
            "--network CIDR"
        )
    session = require_login()
    key = find_key(session, options.key)
    changed = session.ask(lambda client: client.update_api_key(key["id"], key["entity_tag"], changes))
    for told, now in ignored(limits, changed):
        raise Refused(f"{told} {now}")
    if options.output:
        print_json(changed)
        return
    report(f"Updating API key {options.key} under {session.account_id} as {session.user}...\nOK\n")
    report(f"API key {changed['name']} was updated\n")
    show_key(changed)


def do_change(options: argparse.Namespace) -> None:
    session = require_login()
    key = find_key(session, options.key)
    if not options.force and not confirm(f"Do you really want to {options.verb} API key {key['name']}? [y/N] > "):
        raise Refused("Nothing was changed.")
    doing, done, change = VERBS[options.verb]
    report(f"{doing} API key {key['name']} under {session.account_id} as {session.user}...")
    session.ask(lambda client: change(client, key["id"]))
    report(f"OK\nAPI key {key['name']} was {done}")


VERBS: dict[str, tuple[str, str, "Callable[[IAMClient, str], None]"]] = {
    "delete": ("Deleting", "deleted", lambda client, key_id: client.delete_api_key(key_id)),
    "lock": ("Locking", "locked", lambda client, key_id: client.set_locked(key_id, True)),
    "unlock": ("Unlocking", "unlocked", lambda client, key_id: client.set_locked(key_id, False)),
    "disable": ("Disabling", "disabled", lambda client, key_id: client.set_disabled(key_id, True)),
    "enable": ("Enabling", "enabled", lambda client, key_id: client.set_disabled(key_id, False)),
}


def find_key(session: Session, name_or_id: str) -> dict[str, Any]:
    """Return the key of this id, or the only one of this name. Raises Refused."""
    found = [
        key
        for key in session.ask(lambda client: list(client.list_api_keys(**owner(session))))
        if name_or_id in (key.get("id"), key.get("name"))
    ]
    by_id = [key for key in found if key.get("id") == name_or_id]
    if by_id:
        return by_id[0]
    if not found:
        raise Refused(f"API key {name_or_id} was not found.")
    if len(found) > 1:
        ids = "\n".join(f"  {key['id']}" for key in found)
        raise Refused(f"There are {len(found)} API keys named {name_or_id}. Use an ID instead:\n{ids}")
    return dict(found[0])


def show_key(key: dict[str, Any], value: str = "") -> None:
    rows = [
        ("ID", key["id"]),
        ("Name", key["name"]),
        ("Description", key.get("description") or ""),
        ("Created At", key.get("created_at") or ""),
        *([("API Key", value)] if value else []),
        ("Locked", str(bool(key.get("locked"))).lower()),
    ]
    if not value:
        activity = key.get("activity") or {}
        rows += [
            ("Disabled", str(bool(key.get("disabled"))).lower()),
            *([("Scopes", " ".join(map(str, key["scopes"])))] if key.get("scopes") else []),
            *([("Networks", " ".join(map(str, key["networks"])))] if key.get("networks") else []),
            *([("Expires At", key["expires_at"])] if key.get("expires_at") else []),
            *([("Last Used", activity.get("last_authn") or "never")] if activity else []),
        ]
    for title, text in rows:
        say(f"{title:<15}{text}")
