"""The command line, in the grammar of IBM's: `alias ibmcloud=apikeys` runs a script for this job unchanged.

Exit status: 0 done, 1 refused, 2 usage. Imports no Django, and `requests` only when a server is asked.
"""

import argparse
import getpass
import io
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from apikeys import keyfile
from apikeys.cli_session import Session, SessionError
from apikeys.exceptions import ApiKeyError

if TYPE_CHECKING:  # `requests` takes most of the time that a command needs to start
    from apikeys.iam import IAMClient

DEFAULT_PREFIX = "apk_"
API_KEY_VARIABLE = "IBMCLOUD_API_KEY"
PREFIX_VARIABLE = "APIKEYS_PREFIX"
URL_VARIABLE = "APIKEYS_URL"

REFUSED, USAGE = 1, 2


class Refused(Exception):
    """The command can't be done; the message is one plain sentence."""


class Parser(argparse.ArgumentParser):
    """Refuses with status 2 and one sentence; never takes a part of an option's name for the option."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_abbrev=False, **kwargs)

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def parser() -> Parser:
    top = Parser(prog="apikeys", description="API keys of a console, or of IBM Cloud, from a terminal.")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)

    login = commands.add_parser("login", help="log in and remember it")
    login.add_argument("-a", "--api", metavar="URL", help="address of the console or of IBM Cloud IAM")
    login.add_argument("-u", metavar="USER")
    login.add_argument("-p", metavar="PASSWORD", help="better left out: then it is asked for")
    login.add_argument("--apikey", metavar="KEY|@FILE", help="log in with an API key, best as @FILE")
    login.add_argument("--sso", action="store_true", help="log in with a one-time passcode")
    add_target(login)
    login.set_defaults(run=do_login)

    target = commands.add_parser("target", help="show or change region, organization and space")
    add_target(target)
    target.set_defaults(run=do_target)

    commands.add_parser("logout", help="forget the log-in").set_defaults(run=do_logout)

    look = commands.add_parser("scan", help="find values of API keys in files, offline")
    look.add_argument("paths", nargs="+", metavar="PATH")
    look.set_defaults(run=do_scan)

    completion = commands.add_parser("completion", help="print the completion of a shell")
    completion.add_argument("shell", choices=["bash", "zsh"])
    completion.set_defaults(run=do_completion)

    iam = commands.add_parser("iam", help="manage API keys")
    add_iam(iam.add_subparsers(dest="iam_command", metavar="COMMAND", required=True))
    return top


def add_target(command: argparse.ArgumentParser) -> None:
    for flag, name in (("-r", "region"), ("-o", "organization"), ("-s", "space"), ("-c", "account"), ("-g", "group")):
        command.add_argument(flag, dest=name, metavar=name.upper())


def add_iam(iam: Any) -> None:
    keys = iam.add_parser("api-keys", help="list your keys")
    keys.add_argument("--uuid", action="store_true", help="show the ids, too")
    keys.add_argument("-n", "--name", metavar="TEXT", help="only names that contain TEXT")
    keys.add_argument("-d", "--description", metavar="TEXT", help="only descriptions that contain TEXT")
    add_output(keys)
    keys.set_defaults(run=do_list)

    show = iam.add_parser("api-key", help="show one key")
    show.add_argument("key", metavar="NAME|ID")
    add_output(show)
    show.set_defaults(run=do_show)

    create = iam.add_parser("api-key-create", help="create a key and show its value, once")
    create.add_argument("name", metavar="NAME")
    create.add_argument("-d", "--description", metavar="DESCRIPTION", default="")
    create.add_argument("-f", "--file", metavar="FILE", help="save the key to FILE, which must not exist")
    create.add_argument("--action-if-leaked", type=str.upper, choices=["NONE", "DISABLE", "DELETE"])
    create.add_argument("--lock", action="store_true")
    add_output(create)
    create.set_defaults(run=do_create)

    update = iam.add_parser("api-key-update", help="change a key's name, description or leaked action")
    update.add_argument("key", metavar="NAME|ID")
    update.add_argument("-n", "--name")
    update.add_argument("-d", "--description")
    update.add_argument("--action-if-leaked", type=str.upper, choices=["NONE", "DISABLE", "DELETE"])
    add_output(update)
    update.set_defaults(run=do_update)

    for verb in ("delete", "lock", "unlock", "disable", "enable"):
        command = iam.add_parser(f"api-key-{verb}", help=f"{verb} a key")
        command.add_argument("key", metavar="NAME|ID")
        command.add_argument("-f", "--force", action="store_true", help="do not ask")
        command.set_defaults(run=do_change, verb=verb)


def add_output(command: argparse.ArgumentParser) -> None:
    command.add_argument("--output", type=str.lower, choices=["json"])


# Log in


def do_login(options: argparse.Namespace) -> None:
    session = Session.load()
    url = options.api or os.environ.get(URL_VARIABLE) or session.url
    if not url:
        raise Refused(f"Say where to log in: apikeys login -a URL, or set {URL_VARIABLE}.")
    if "://" not in url:
        url = f"https://{url}"
    say(f"API endpoint: {url}")
    client = session.client(url)
    value = options.apikey or ("" if options.u or options.sso else os.environ.get(API_KEY_VARIABLE, ""))
    if value:
        say("Authenticating...")
        pair = client.log_in_with_api_key(keyfile.read_value(value[1:]) if value.startswith("@") else value)
    elif options.sso:
        pair = client.log_in_with_passcode(ask_secret("One-time passcode> "))
    else:
        username = options.u or ask("Email> ")
        password = options.p or ask_secret("Password> ")
        say("Authenticating...")
        pair = client.log_in_with_password(username, password)
    session.begin(url, pair)
    session.target |= chosen_target(options)
    session.save()
    say("OK\n")
    show_target(session)


def do_target(options: argparse.Namespace) -> None:
    session = logged_in()
    session.target |= chosen_target(options)
    session.save()
    show_target(session)


def do_logout(options: argparse.Namespace) -> None:
    say("Logging out...")
    Session.load().end()
    say("OK")


def chosen_target(options: argparse.Namespace) -> dict[str, str]:
    names = ("region", "organization", "space", "account", "group")
    return {name: text for name in names if (text := getattr(options, name))}


def show_target(session: Session) -> None:
    rows = [("API endpoint", session.url), ("User", session.user), ("Account", session.account_id)]
    rows += [(name.title(), text) for name, text in session.target.items() if name != "account"]
    for name, text in rows:
        say(f"{name + ':':<15}{text}")


# Keys


def do_list(options: argparse.Namespace) -> None:
    session = logged_in()
    if not options.output:
        say(f"Getting all API keys of {session.user} under account {session.account_id}...\nOK\n")
    keys = [
        key
        for key in session.ask(lambda client: list(client.list_api_keys(sort="name")))
        if matches(key, "name", options.name) and matches(key, "description", options.description)
    ]
    if options.output:
        print_json(keys)
        return
    columns = ["id", *COLUMNS] if options.uuid else COLUMNS
    table([TITLES[column] for column in columns], [[cell(key, column) for column in columns] for key in keys])


COLUMNS = ["name", "description", "created_at", "state"]
TITLES = {"id": "UUID", "name": "Name", "description": "Description", "created_at": "Created At", "state": "State"}


def matches(key: dict[str, Any], attribute: str, text: str | None) -> bool:
    return text is None or text.casefold() in str(key.get(attribute) or "").casefold()


def cell(key: dict[str, Any], column: str) -> str:
    if column != "state":
        return str(key.get(column) or "")
    return ", ".join(word for word in ("locked", "disabled", "leaked") if key.get(word)) or "active"


def do_show(options: argparse.Namespace) -> None:
    session = logged_in()
    key = one_key(session, options.key)
    key = session.ask(lambda client: client.get_api_key(key["id"]))
    if options.output:
        print_json(key)
        return
    say(f"Getting API key {options.key} under {session.account_id} as {session.user}...\nOK\n")
    show_key(key)


def do_create(options: argparse.Namespace) -> None:
    session = logged_in()
    body = {"name": options.name, "description": options.description, "iam_id": session.iam_id}
    if options.action_if_leaked:
        body["action_when_leaked"] = options.action_if_leaked.lower()
    if not options.output:
        say(f"Creating API key {options.name} under {session.account_id} as {session.user}...")
    file = keyfile.reserve(options.file) if options.file else None
    try:
        key = session.ask(lambda client: client.create_api_key(body, locked=options.lock))
    except BaseException:
        if file:
            file.give_up()
        raise
    saved = False
    if file:
        try:
            file.write(key)
            saved = True
        except OSError as exc:
            complain(f"The key was created, but {options.file} can't be written: {exc.strerror}. It is shown instead.")
    try:
        show_created(options, key, saved)
    except OSError as exc:
        if saved:
            raise
        mute()
        session.ask(lambda client: take_back(client, key))
        raise Refused(f"The API key can't be shown: {exc.strerror}. So it was deleted again.") from None


def show_created(options: argparse.Namespace, key: dict[str, Any], saved: bool) -> None:
    if options.output:
        print_json({name: text for name, text in key.items() if name != "apikey"} if saved else key)
        return
    say(f"OK\nAPI key {options.name} was created\n")
    if saved:
        say(f"Successfully saved API key information to {options.file}")
        return
    say("Please preserve the API key! It cannot be retrieved after it's created.\n")
    show_key(key, value=key.get("apikey", ""))


def take_back(client: "IAMClient", key: dict[str, Any]) -> None:
    """Delete a key that nobody got the value of."""
    if key.get("locked"):
        client.set_locked(key["id"], False)
    client.delete_api_key(key["id"])


def do_update(options: argparse.Namespace) -> None:
    session = logged_in()
    changes = {name: text for name in ("name", "description") if (text := getattr(options, name)) is not None}
    if options.action_if_leaked:
        changes["action_when_leaked"] = options.action_if_leaked.lower()
    if not changes:
        raise Refused("Say what to change: -n NAME, -d DESCRIPTION or --action-if-leaked.")
    key = one_key(session, options.key)
    changed = session.ask(lambda client: client.update_api_key(key["id"], key["entity_tag"], changes))
    if options.output:
        print_json(changed)
        return
    say(f"Updating API key {options.key} under {session.account_id} as {session.user}...\nOK\n")
    say(f"API key {changed['name']} was updated\n")
    show_key(changed)


def do_change(options: argparse.Namespace) -> None:
    session = logged_in()
    key = one_key(session, options.key)
    if not options.force and not confirm(f"Do you really want to {options.verb} API key {key['name']}? [y/N] > "):
        raise Refused("Nothing was changed.")
    doing, done = WORDS[options.verb]
    say(f"{doing} API key {key['name']} under {session.account_id} as {session.user}...")
    calls: dict[str, Callable[[Any], None]] = {
        "delete": lambda client: client.delete_api_key(key["id"]),
        "lock": lambda client: client.set_locked(key["id"], True),
        "unlock": lambda client: client.set_locked(key["id"], False),
        "disable": lambda client: client.set_disabled(key["id"], True),
        "enable": lambda client: client.set_disabled(key["id"], False),
    }
    session.ask(calls[options.verb])
    say(f"OK\nAPI key {key['name']} was {done}")


WORDS = {
    "delete": ("Deleting", "deleted"),
    "lock": ("Locking", "locked"),
    "unlock": ("Unlocking", "unlocked"),
    "disable": ("Disabling", "disabled"),
    "enable": ("Enabling", "enabled"),
}


def one_key(session: Session, name_or_id: str) -> dict[str, Any]:
    """Return the key of this id, or the only one of this name. Raises Refused."""
    found = [
        key
        for key in session.ask(lambda client: list(client.list_api_keys()))
        if name_or_id in (key.get("id"), key.get("name"))
    ]
    by_id = [key for key in found if key.get("id") == name_or_id]
    if by_id:
        return by_id[0]
    if not found:
        raise Refused(f"API key {name_or_id} was not found.")
    if len(found) > 1:
        ids = "\n".join(f"  {key['id']}" for key in found)
        raise Refused(f"There are {len(found)} API keys named {name_or_id}. Use an id instead:\n{ids}")
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
            *([("Expires At", key["expires_at"])] if key.get("expires_at") else []),
            *([("Last Used", activity.get("last_authn") or "never")] if activity else []),
        ]
    for title, text in rows:
        say(f"{title:<15}{text}")


# Other commands


def do_scan(options: argparse.Namespace) -> None:
    from apikeys.scan import Finding, scan

    prefix = os.environ.get(PREFIX_VARIABLE, "") or DEFAULT_PREFIX
    found, unread = 0, 0
    for result in scan(options.paths, prefix):
        if isinstance(result, Finding):
            found += 1
            say(str(result))
        else:
            unread += 1
            complain(f"{result.filename}: {result.strerror}")
    if unread:
        raise SystemExit(USAGE)
    if found:
        raise Refused(
            "1 API key found. Delete it at the console, then create a new one."
            if found == 1
            else f"{found} API keys found. Delete them at the console, then create new ones."
        )


def do_completion(options: argparse.Namespace) -> None:
    from apikeys.completion import script

    say(script(options.shell, parser()))


# Words in and out


def logged_in() -> Session:
    """Return the session. Raises Refused where there is none."""
    session = Session.load()
    if session.is_logged_in:
        return session
    raise Refused("Not logged in. Use 'apikeys login' to log in.")


def say(text: str) -> None:
    print(text, flush=True)


def complain(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def mute() -> None:
    """Send what is left in the buffer nowhere: it can't be written, and Python would try again at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_json(found: Any) -> None:
    say(json.dumps(found, indent="\t", ensure_ascii=False))


def table(titles: list[str], rows: list[list[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    for row in [titles, *rows]:
        say("   ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def ask(prompt: str) -> str:
    try:
        return input(prompt)
    except EOFError:
        raise Refused(f"No answer to {prompt.strip()!r}.") from None
    except UnicodeDecodeError:
        raise Refused(f"The answer to {prompt.strip()!r} is not text.") from None


def ask_secret(prompt: str) -> str:
    if not sys.stdin.isatty():
        return ask(prompt)
    return getpass.getpass(prompt)


def confirm(prompt: str) -> bool:
    return ask(prompt).strip().lower() in ("y", "yes")


def joined_values(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with values that begin with "-" tied to their options, as argparse wants them."""
    with_value = {"-a", "--api", "-u", "-p", "--apikey", "-r", "-o", "-s", "-c", "-g", "-n", "--name", "-d"}
    with_value |= {"--description", "--file", "--action-if-leaked", "--output"}
    if list(arguments[:2]) == ["iam", "api-key-create"]:
        with_value.add("-f")
    joined: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            return [*joined, argument, *rest]
        value = next(rest, None) if argument in with_value else None
        joined.append(argument if value is None else f"{argument}={value}")
    return joined


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name that the terminal can't show stops nothing
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = parser().parse_args(joined_values(given))
    for name, value in vars(options).items():
        if value == []:  # argparse before Python 3.13 drops the value in `-d=--`
            setattr(options, name, "--")
    if options.command != "scan" and any(0xD800 <= ord(c) < 0xE000 for argument in given for c in argument):
        complain("apikeys: an argument is not text in the encoding of this terminal.")
        return USAGE
    try:
        options.run(options)
    except (Refused, SessionError, keyfile.KeyFileError) as exc:
        complain(f"FAILED\n{exc}")
        return REFUSED
    except ApiKeyError as exc:
        trace = getattr(exc, "trace", "")
        complain(f"FAILED\n{exc}" + (f"\nTransaction ID: {trace}" if trace else ""))
        return REFUSED
    except KeyboardInterrupt:
        complain("\nInterrupted. Nothing more was done.")
        return 130
    except OSError as exc:
        mute()
        if not isinstance(exc, BrokenPipeError):
            complain(f"FAILED\nThe output can't be written: {exc.strerror}.")
        return REFUSED
    return 0
