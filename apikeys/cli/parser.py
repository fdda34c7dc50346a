"""The grammar of the command line, IBM's: `alias ibmcloud=apikeys` runs a script for this job unchanged."""

import argparse
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import dropwhile
from typing import Any, NoReturn

from apikeys import VERSION, scopes
from apikeys.cli.bulk import do_bulk, do_revoke
from apikeys.cli.keys import ANYWHERE, EVERYTHING, VERBS, do_change, do_create, do_list, do_show, do_update
from apikeys.cli.lifecycle import (
    do_finish,
    do_list_deleted,
    do_pause,
    do_restore,
    do_resume,
    do_rotate,
    do_usage,
    do_why,
)
from apikeys.cli.login import do_api, do_login, do_logout, do_target, do_tokens
from apikeys.cli.offline import do_completion, do_config, do_help, do_scan, do_version
from apikeys.cli.output import USAGE
from apikeys.domain import MAX_DAYS, MAX_OVERLAP, MAX_PAUSE, BulkAction, Status
from apikeys.iam import payloads
from apikeys.iam.exports import Format

SORTS = [*payloads.SORT_WORDS.values(), *payloads.OWN_SORT_WORDS.values()]
# The settings of IBM's command line, which scripts set in their first lines.
CONFIGURATION = (
    "check-version", "color", "http-timeout", "locale", "sso-otp", "trace", "usage-stats-collect",
    "usage-stats-enabled",
)  # fmt: skip


class Parser(argparse.ArgumentParser):
    """Exits with status 2 and one sentence for wrong usage; takes no abbreviated options."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_abbrev=False, **kwargs)
        # Given before a command or after it: the default of one must not overwrite the other.
        self.add_argument(
            "-q", "--quiet", action="store_true", default=argparse.SUPPRESS, help="show results and errors only"
        )

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if isinstance(action, argparse._SubParsersAction) and value not in action.choices:
            what = f"there is no command {value!r}: apikeys only manages API keys. See 'apikeys help'."
            raise argparse.ArgumentError(None, what)
        super()._check_value(action, value)

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the command, as `run`, and its options. Exits with status 2 and a sentence for what is no command."""
    top = build_parser()
    options = top.parse_args(join_values(top, arguments))
    for name, value in vars(options).items():
        if value == []:  # argparse before Python 3.13 drops the value in `-d=--`
            setattr(options, name, "--")
    return options


def build_parser() -> Parser:
    top = Parser(prog="apikeys", description="API keys of a console, or of IBM Cloud, from a terminal.")
    top.add_argument("-v", "--version", action="version", version=f"apikeys version {VERSION}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)

    add_login(commands)
    add_offline(commands, top)

    iam = commands.add_parser("iam", help="manage API keys")
    add_iam(iam.add_subparsers(dest="iam_command", metavar="COMMAND", required=True))
    return top


def add_login(commands: Any) -> None:
    login = commands.add_parser("login", help="log in, and stay logged in")
    login.add_argument("-a", "--api", metavar="URL", help="address of the console or of IBM Cloud IAM")
    login.add_argument("-u", metavar="USER")
    login.add_argument("-p", metavar="PASSWORD", help="better left out: then it is asked for")
    login.add_argument("--apikey", metavar="KEY|@FILE", help="log in with an API key, best as @FILE")
    login.add_argument("--sso", action="store_true", help="log in with a one-time passcode")
    login.add_argument("--no-region", action="store_true", help="keep no region as the target")
    login.add_argument("--no-account", action="store_true", help="keep no account and group as the target")
    login.add_argument("--skip-ssl-validation", action="store_true", help="accepted for scripts; has no effect")
    add_target(login)
    login.set_defaults(run=do_login)

    api = commands.add_parser("api", help="show or set the API endpoint")
    api.add_argument("url", metavar="URL", nargs="?")
    api.add_argument("--unset", action="store_true", help="forget the API endpoint")
    api.set_defaults(run=do_api)

    target = commands.add_parser("target", help="show or change region, organization and space")
    add_target(target)
    target.set_defaults(run=do_target)

    commands.add_parser("logout", help="log out").set_defaults(run=do_logout)


def add_offline(commands: Any, top: Parser) -> None:
    look = commands.add_parser("scan", help="find API key values in files, offline")
    look.add_argument("paths", nargs="+", metavar="PATH")
    look.set_defaults(run=do_scan)

    completion = commands.add_parser("completion", help="print the completion script for a shell")
    completion.add_argument("shell", choices=["bash", "zsh"])
    completion.set_defaults(run=do_completion, parser=top)

    explain = commands.add_parser("help", help="show the help of a command")
    explain.add_argument("words", nargs="*", metavar="COMMAND", default=())
    explain.set_defaults(run=do_help, parser=top)

    commands.add_parser("version", help="show the version").set_defaults(run=do_version)

    config = commands.add_parser("config", help="accepted for scripts; there is nothing to configure")
    for name in CONFIGURATION:
        config.add_argument(f"--{name}", nargs="?", metavar="VALUE")
    config.add_argument("--list", action="store_true")
    config.set_defaults(run=do_config)


def add_target(command: argparse.ArgumentParser) -> None:
    for flag, name in (("-r", "region"), ("-o", "organization"), ("-s", "space"), ("-c", "account"), ("-g", "group")):
        command.add_argument(flag, dest=name, metavar=name.upper())


def add_iam(iam: Any) -> None:
    tokens = iam.add_parser("oauth-tokens", help="show the access token of the log-in")
    add_output(tokens)
    tokens.set_defaults(run=do_tokens)

    keys = iam.add_parser("api-keys", help="list your keys")
    keys.add_argument("--uuid", action="store_true", help="also show IDs")
    keys.add_argument("-n", "--name", metavar="TEXT", help="only names that contain TEXT")
    keys.add_argument("-d", "--description", metavar="TEXT", help="only descriptions that contain TEXT")
    add_filters(keys)
    add_whose(keys)
    keys.add_argument("--export", metavar="FILE", help="save the list in FILE, which must not exist; - prints it")
    keys.add_argument(
        "--format", type=str.lower, choices=[*map(str, Format)], default="csv", help="csv where it is absent"
    )
    keys.add_argument("--sort", type=str.lower, choices=SORTS, default="name", help="name where it is absent")
    keys.add_argument("--order", type=str.lower, choices=["asc", "desc"], help="asc where it is absent")
    add_output(keys)
    keys.set_defaults(run=do_list)

    many = iam.add_parser("api-keys-bulk", help="disable, enable, lock, unlock or delete many keys")
    many.add_argument("verb", type=str.lower, choices=[*map(str, BulkAction)], metavar="ACTION")
    many.add_argument("keys", nargs="*", metavar="NAME|ID", default=())
    many.add_argument("-n", "--name", metavar="TEXT", help="only names that contain TEXT")
    many.add_argument("-d", "--description", metavar="TEXT", help="only descriptions that contain TEXT")
    add_filters(many)
    add_whose(many)
    many.add_argument("-f", "--force", action="store_true", help="do not ask")
    add_output(many)
    many.set_defaults(run=do_bulk, parser=many)

    revoke = iam.add_parser("api-keys-revoke", help="disable all keys of somebody, or of everybody")
    add_whose(revoke, required=True).add_argument("--own", action="store_true", help="your own")
    revoke.add_argument("-f", "--force", action="store_true", help="do not ask")
    revoke.set_defaults(run=do_revoke)

    show = iam.add_parser("api-key", help="show one key")
    show.add_argument("key", metavar="NAME|ID")
    add_output(show)
    show.set_defaults(run=do_show)

    create = iam.add_parser("api-key-create", help="create a key and show its value, once")
    create.add_argument("name", metavar="NAME")
    create.add_argument("-d", "--description", metavar="DESCRIPTION", default="")
    create.add_argument("-f", "--file", metavar="FILE", help="save the key to FILE, which must not exist")
    create.add_argument("--action-if-leaked", type=str.upper, choices=["NONE", "DISABLE", "DELETE"])
    create.add_argument("--expires", type=expiration, metavar="WHEN", help="such as 90d, or 2030-01-31 at 23:59 UTC")
    create.add_argument("--lock", action="store_true")
    add_limits(create)
    create.add_argument("--decoy", action="store_true", help="make a decoy: it opens nothing, any use raises the alarm")
    add_output(create)
    create.set_defaults(run=do_create)

    update = iam.add_parser(
        "api-key-update", help="change a key's name, description, expiration, leaked action or limits"
    )
    update.add_argument("key", metavar="NAME|ID")
    update.add_argument("-n", "--name")
    update.add_argument("-d", "--description")
    update.add_argument("--expires", type=new_expiration, metavar="WHEN", help="such as 90d, 2030-01-31, or never")
    update.add_argument("--action-if-leaked", type=str.upper, choices=["NONE", "DISABLE", "DELETE"])
    add_limits(update)
    add_output(update)
    update.set_defaults(run=do_update, parser=update)

    add_lifecycle(iam)

    for verb in VERBS:
        command = iam.add_parser(f"api-key-{verb}", help=f"{verb} a key")
        command.add_argument("key", metavar="NAME|ID")
        command.add_argument("-f", "--force", action="store_true", help="do not ask")
        command.set_defaults(run=do_change, verb=verb)


def add_lifecycle(iam: Any) -> None:
    rotate = iam.add_parser("api-key-rotate", help="give a key a new value, for a time beside the previous one")
    rotate.add_argument("key", metavar="NAME|ID")
    rotate.add_argument("-f", "--file", metavar="FILE", help="save the key in FILE, which must not exist")
    rotate.add_argument(
        "--overlap",
        type=overlap,
        default=overlap("1d"),
        metavar="TIME",
        help="how long the previous value works on: such as 7d, 12h, 0, or none for until it is ended; 1d where absent",
    )
    rotate.add_argument("--ask", action="store_true", help="let it work past its end while it is used")
    rotate.add_argument("--end-previous", action="store_true", help="end the value before it, if that still works")
    add_output(rotate)
    rotate.set_defaults(run=do_rotate)

    finish = iam.add_parser("api-key-rotation-finish", help="end the previous value of a key")
    finish.add_argument("key", metavar="NAME|ID")
    finish.add_argument("-f", "--force", action="store_true", help="do not ask")
    finish.set_defaults(run=do_finish)

    pause = iam.add_parser("api-key-pause", help="refuse a key for some minutes, to see what that breaks")
    pause.add_argument("key", metavar="NAME|ID")
    pause.add_argument(
        "--for", dest="seconds", type=pause_time, default=300, metavar="TIME", help="1m to 30m; 5m where absent"
    )
    pause.set_defaults(run=do_pause)

    for name, run, text in (
        ("api-key-resume", do_resume, "end the pause of a key"),
        ("api-key-restore", do_restore, "bring back a key that you deleted"),
    ):
        command = iam.add_parser(name, help=text)
        command.add_argument("key", metavar="NAME|ID")
        command.set_defaults(run=run)

    deleted = iam.add_parser("api-keys-deleted", help="list keys that were deleted lately")
    add_output(deleted)
    deleted.set_defaults(run=do_list_deleted)

    usage = iam.add_parser("api-key-usage", help="show where a key is used and how often")
    usage.add_argument("key", metavar="NAME|ID")
    add_output(usage)
    usage.set_defaults(run=do_usage)

    why = iam.add_parser("api-key-why", help="show why a key is refused, or was")
    why.add_argument("key", metavar="NAME|ID|REQUEST-ID")
    why.add_argument("--request", action="store_true", help="the argument is the request ID of a refused request")
    add_output(why)
    why.set_defaults(run=do_why)


def overlap(text: str) -> dict[str, Any]:
    """Return what asks for an overlap of such a time. Raises ArgumentTypeError."""
    if text == "none":
        return {"until_ended": True}
    return {"overlap_seconds": seconds(text, MAX_OVERLAP)}


def pause_time(text: str) -> int:
    """Return the seconds of a pause. Raises ArgumentTypeError."""
    if not (found := seconds(text, MAX_PAUSE)):
        raise argparse.ArgumentTypeError("choose a second or more")
    return found


def seconds(text: str, most: timedelta) -> int:
    """Return the seconds in a text such as 7d, 12h, 30m or 45s; 0 has no unit. Raises ArgumentTypeError."""
    found = re.fullmatch(r"0|([0-9]{1,7})([dhms])", text)
    if found is None:
        raise argparse.ArgumentTypeError("write it like 7d, 12h, 30m or 45s")
    number = int(found[1]) * UNITS[found[2]] if found[1] else 0
    if number > most.total_seconds():
        raise argparse.ArgumentTypeError(f"choose at most {most.days} days" if most.days else "choose at most 30m")
    return number


UNITS = {"d": 86_400, "h": 3600, "m": 60, "s": 1}


def add_filters(command: argparse.ArgumentParser) -> None:
    """Add what the server narrows a list down to: each option is kept under the name of its query parameter."""
    command.add_argument("--status", type=str.lower, choices=[*map(str, Status)])
    command.add_argument(
        "--expires-within", dest="expires_within_days", type=days, metavar="DAYS", help="such as 14d: only such keys"
    )
    command.add_argument(
        "--unused-for", dest="unused_for_days", type=days, metavar="DAYS", help="such as 90d: not used since, or never"
    )
    command.add_argument(
        "--never-used", action="store_const", const="true", help="only keys of 7 days or more that were never used"
    )
    command.add_argument("--created-since", type=day, metavar="DATE", help="such as 2026-01-31, in UTC: then or later")
    command.add_argument("--leaked", action="store_const", const="true", help="only keys that were found in public")


def add_whose(command: argparse.ArgumentParser, *, required: bool = False) -> Any:
    whose = command.add_mutually_exclusive_group(required=required)
    whose.add_argument("--all", action="store_true", help="keys of everybody, for administrators")
    whose.add_argument("--owner", metavar="WHO", help="keys of one: a name, user ID, email or IAM ID; likewise")
    return whose


def days(text: str) -> str:
    """Return the number in a text such as "14d". Raises ArgumentTypeError."""
    try:
        return str(payloads.parse_days(text.removesuffix("d") if text.endswith("d") else ""))
    except ValueError:
        raise argparse.ArgumentTypeError(f"write it like 14d, with 1 to {MAX_DAYS} days") from None


def day(text: str) -> str:
    """Return a text that is a date. Raises ArgumentTypeError."""
    try:
        return payloads.parse_day(text).isoformat()
    except ValueError:
        raise argparse.ArgumentTypeError("write it like 2026-01-31") from None


def expiration(text: str) -> str:
    """Return what the API calls an expiration on a date, at its end, or in some days. Raises ArgumentTypeError."""
    try:
        if text.endswith("d"):
            return payloads.format_date(datetime.now(UTC) + timedelta(days=payloads.parse_days(text.removesuffix("d"))))
        return f"{payloads.parse_day(text).isoformat()}T23:59+0000"
    except ValueError:
        raise argparse.ArgumentTypeError(f"write it like 90d, with 1 to {MAX_DAYS} days, or 2030-01-31") from None


def new_expiration(text: str) -> str:
    """Return the same, or "" for none. Raises ArgumentTypeError."""
    return "" if text == "never" else expiration(text)


def add_limits(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--scope",
        dest="scopes",
        action="append",
        metavar="NAME",
        help=f"what it may do, such as {scopes.READ}; repeat it for more; {EVERYTHING} for everything that you may",
    )
    command.add_argument(
        "--network",
        dest="networks",
        action="append",
        metavar="CIDR",
        help="where it can be used from, such as 192.0.2.0/24, or !192.0.2.7 for not from there; repeat it for more; "
        f"{ANYWHERE} for everywhere",
    )


def add_output(command: argparse.ArgumentParser) -> None:
    command.add_argument("--output", type=str.lower, choices=["json"])


def join_values(top: Parser, arguments: Sequence[str]) -> list[str]:
    """Return the arguments with `-o VALUE` as `-o=VALUE`, so that argparse takes values that begin with "-"."""
    actions = find_command(top, arguments)._actions
    with_value = {option for action in actions if action.nargs is None for option in action.option_strings}
    joined: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            return [*joined, argument, *rest]
        value = next(rest, None) if argument in with_value else None
        joined.append(argument if value is None else f"{argument}={value}")
    return joined


def find_command(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser of the command that the arguments begin with."""
    commands = next((found for found in parser._actions if isinstance(found, argparse._SubParsersAction)), None)
    flags = {option for action in parser._actions if action.nargs == 0 for option in action.option_strings}
    rest = list(dropwhile(flags.__contains__, arguments))
    if commands is None or not rest or rest[0] not in commands.choices:
        return parser
    return find_command(commands.choices[rest[0]], rest[1:])
