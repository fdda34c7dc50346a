"""One action on many keys, and the end of all of somebody's, below `apikeys iam`."""

import argparse
from itertools import islice
from typing import Any

from apikeys.cli.keys import VERBS, filters, matches, whose
from apikeys.cli.login import require_login
from apikeys.cli.output import Refused, ask, complain, confirm, print_json, report
from apikeys.cli.session import Session
from apikeys.domain import MOST_AT_ONCE, MOST_IN_REQUEST

NAMED = 10  # of the question


def do_bulk(options: argparse.Namespace) -> None:
    if not (options.keys or options.all or any(_narrowing(options))):
        options.parser.error('say which keys: NAME or ID, -n TEXT ("" for every key), a filter, --owner WHO or --all')
    session = require_login()
    found = _chosen(options, session)
    if not found:
        raise Refused("No such API key was found.")
    if len(found) > MOST_AT_ONCE:
        raise Refused(f"These are {len(found):,} API keys. Choose at most {MOST_AT_ONCE:,}.")
    if not options.force and not confirm(_question(options.verb, found)):
        raise Refused("Nothing was changed.")
    doing, done, _change = VERBS[options.verb]
    failed: list[dict[str, Any]] = []
    ids = iter(found)
    tried = 0
    while piece := list(islice(ids, MOST_IN_REQUEST)):
        answer = session.ask(lambda client, piece=piece: client.change_api_keys(options.verb, piece))  # type: ignore[misc]
        failed += answer["failed"]
        tried += len(piece)
        if not options.output:
            report(f"{doing} API keys: {tried:,} of {len(found):,}")
    _tell(options, found, failed, done)


REVOKE_ALL = "revoke all"  # what is typed for everybody


def do_revoke(options: argparse.Namespace) -> None:
    session = require_login()
    whose = options.owner or ("everybody" if options.all else session.user)
    phrase = options.owner or REVOKE_ALL
    if not options.force and ask(f"Type {phrase} to disable every API key of {whose} > ").strip() != phrase:
        raise Refused("Nothing was changed.")
    owner = "" if options.all else options.owner or session.iam_id
    report(f"Revoking API keys of {whose} under {session.account_id} as {session.user}...")
    number = session.ask(lambda client: client.revoke_api_keys(owner))
    report(f"OK\n{number:,} API {'key was' if number == 1 else 'keys were'} disabled")


def _narrowing(options: argparse.Namespace) -> list[bool]:
    given = (options.name, options.description, options.owner, *filters(options).values())
    return [text is not None for text in given]


def _chosen(options: argparse.Namespace, session: Session) -> dict[str, str]:
    """Return the names of the keys that the options mean, by id. Raises Refused where a name or an id means none."""
    asked = {"sort": "name", **filters(options), **whose(options, session)}
    listed = [
        key
        for key in session.ask(lambda client: list(client.list_api_keys(**asked)))
        if matches(key, "name", options.name) and matches(key, "description", options.description)
    ]
    if not options.keys:
        return {key["id"]: key["name"] for key in listed}
    known = {text for key in listed for text in (key["id"], key["name"])}
    if missing := [text for text in options.keys if text not in known]:
        raise Refused(f"API key {missing[0]} was not found.")
    return {key["id"]: key["name"] for key in listed if key["id"] in options.keys or key["name"] in options.keys}


def _question(verb: str, found: dict[str, str]) -> str:
    names = list(found.values())
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    keys = "API key" if len(names) == 1 else "API keys"
    return f"Do you really want to {verb} {len(names):,} {keys}: {', '.join(names[:NAMED])}{more}? [y/N] > "


def _tell(options: argparse.Namespace, found: dict[str, str], failed: list[dict[str, Any]], done: str) -> None:
    """Say how many it was done to, and to which not and why. Raises Refused where there are such."""
    number = len(found) - len(failed)
    if options.output:
        print_json({"done": number, "failed": failed})
    else:
        report(f"OK\n{number:,} API {'key was' if number == 1 else 'keys were'} {done}")
    if not failed:
        return
    for key in failed if not options.output else ():
        complain(f"{found.get(key['id'], key['id'])} ({key['id']}): {key['message']}")
    raise Refused(f"This could not be done to {len(failed):,} of {len(found):,} API keys.")
