"""Commands about what becomes of a key after it was created, all of them below `apikeys iam`."""

import argparse
from typing import Any

from apikeys.cli import keyfile
from apikeys.cli.keys import NotShown, find_key, save_or_show
from apikeys.cli.login import require_login
from apikeys.cli.output import Refused, confirm, print_json, print_table, report, say

PLACES = ("address", "client", "uses", "refusals", "last_used_at", "reason")
TITLES = ("Address", "Client", "Uses", "Refused", "Last Used", "Refused Because")


def do_rotate(options: argparse.Namespace) -> None:
    session = require_login()
    key = find_key(session, options.key)
    body = {"ask_at_end": options.ask, "end_previous": options.end_previous, **options.overlap}
    if not options.output:
        report(f"Rotating API key {key['name']} under {session.account_id} as {session.user}...")
    file = keyfile.reserve(options.file) if options.file else None
    try:
        rotated = session.ask(lambda client: client.rotate_api_key(key["id"], body))
    except BaseException:
        if file:
            file.remove()
        raise
    try:
        save_or_show(options, rotated, file, name=key["name"], done="rotated")
    except NotShown as exc:
        raise Refused(
            f"The new value can't be shown: {exc}. Rotate the key again, with --end-previous and a long overlap."
        ) from None


def do_finish(options: argparse.Namespace) -> None:
    session = require_login()
    key = find_key(session, options.key)
    if not options.force and not confirm(f"Do you really want to end the previous value of {key['name']}? [y/N] > "):
        raise Refused("Nothing was changed.")
    report(f"Ending the previous value of API key {key['name']} under {session.account_id} as {session.user}...")
    session.ask(lambda client: client.end_previous_value(key["id"]))
    report(f"OK\nThe previous value of API key {key['name']} was ended")


def do_pause(options: argparse.Namespace) -> None:
    session = require_login()
    key = find_key(session, options.key)
    report(f"Pausing API key {key['name']} under {session.account_id} as {session.user}...")
    paused = session.ask(lambda client: client.pause_api_key(key["id"], options.seconds))
    report(f"OK\nAPI key {key['name']} is refused until {paused['paused_until']}")


def do_resume(options: argparse.Namespace) -> None:
    session = require_login()
    key = find_key(session, options.key)
    report(f"Resuming API key {key['name']} under {session.account_id} as {session.user}...")
    session.ask(lambda client: client.resume_api_key(key["id"]))
    report(f"OK\nAPI key {key['name']} was resumed")


def do_list_deleted(options: argparse.Namespace) -> None:
    session = require_login()
    deleted = session.ask(lambda client: client.deleted_api_keys())
    if options.output:
        print_json(deleted)
        return
    report(f"Getting deleted API keys of {session.user} under account {session.account_id}...\nOK\n")
    rows = [
        [key["id"], key["name"], key["deleted_at"], "yes" if key["restorable"] else "no", key["gone_at"]]
        for key in deleted
    ]
    if rows:
        print_table(["UUID", "Name", "Deleted At", "Restorable", "Gone At"], rows)
    else:
        say("There are no deleted API keys.")


def do_restore(options: argparse.Namespace) -> None:
    session = require_login()
    deleted = session.ask(lambda client: client.deleted_api_keys())
    found = [key for key in deleted if options.key in (key["id"], key["name"]) and key["restorable"]]
    if not found:
        raise Refused(f"API key {options.key} is not among the deleted keys that you can restore.")
    if len(found) > 1:
        ids = "\n".join(f"  {key['id']}" for key in found)
        raise Refused(f"There are {len(found)} deleted API keys named {options.key}. Use an ID instead:\n{ids}")
    report(f"Restoring API key {found[0]['name']} under {session.account_id} as {session.user}...")
    session.ask(lambda client: client.restore_api_key(found[0]["id"]))
    report(f"OK\nAPI key {found[0]['name']} was restored")


def do_usage(options: argparse.Namespace) -> None:
    session = require_login()
    key = find_key(session, options.key)
    use = session.ask(lambda client: client.api_key_usage(key["id"]))
    if options.output:
        print_json(use)
        return
    report(f"Getting uses of API key {key['name']} under {session.account_id} as {session.user}...\nOK\n")
    if use["places"]:
        print_table(list(TITLES), [[str(place.get(name, "")) for name in PLACES] for place in use["places"]])
    else:
        say(f"No use of API key {key['name']} is known.")
    if told := use.get("rotation"):
        report(f"\n{told['moved']} of {told['clients']} clients use the new value")


def do_why(options: argparse.Namespace) -> None:
    session = require_login()
    if options.request:
        found: dict[str, Any] = session.ask(lambda client: client.explain_refusal(options.key))
    else:
        key = find_key(session, options.key)
        found = session.ask(lambda client: client.api_key_refusals(key["id"]))
    if options.output:
        print_json(found)
        return
    report(f"Getting refusals of {options.key} under {session.account_id} as {session.user}...\nOK\n")
    if cause := found.get("cause"):
        words = [cause["reason"], *(f"{name} {cause[name]}" for name in ("since", "until", "by") if name in cause)]
        say(f"Refused now: {', '.join(words)}")
    elif not options.request:
        say(working(key))
    if not found["refusals"]:
        say("It was not refused in the last thirty days.")
        return
    columns = ("at", "reason", "address", "agent", "request_id")
    rows = [[str(refusal[name]) for name in columns] for refusal in found["refusals"]]
    report("")
    print_table(["At", "Reason", "Address", "Client", "Request ID"], rows)


def working(key: dict[str, Any]) -> str:
    """Return the sentence that a key works, until when, and whether only from some networks."""
    where = " from the networks that it is limited to" if key.get("networks") else ""
    until = f" until {key['expires_at']}" if key.get("expires_at") else ", and does not expire"
    return f"API key {key['name']} works{where}{until}."
