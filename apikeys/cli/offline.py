"""Commands that ask no server and need no log-in: scan, completion, help, version, config."""

import argparse
import os

from apikeys import VERSION, values
from apikeys.cli.output import USAGE, Refused, complain, report, say

PREFIX_VARIABLE = "APIKEYS_PREFIX"


def do_scan(options: argparse.Namespace) -> None:
    from apikeys.cli.scan import Finding, scan

    prefix = os.environ.get(PREFIX_VARIABLE, "") or values.DEFAULT_PREFIX
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
            "1 API key found. Delete it in the console, then create a new one."
            if found == 1
            else f"{found} API keys found. Delete them in the console, then create new ones."
        )


def do_completion(options: argparse.Namespace) -> None:
    from apikeys.cli.completion import script

    say(script(options.shell, options.parser))


def do_help(options: argparse.Namespace) -> None:
    options.parser.parse_args([*options.words, "--help"])


def do_version(options: argparse.Namespace) -> None:
    say(f"apikeys version {VERSION}")


def do_config(options: argparse.Namespace) -> None:
    report("apikeys has nothing to configure, so nothing was changed.\nOK")
