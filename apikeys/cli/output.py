"""Words of the command line, in and out: sentences, tables, JSON, prompts, and the exit status of a refusal."""

import getpass
import json
import os
import sys
from typing import Any

REFUSED, USAGE = 1, 2


class Refused(Exception):
    """The command can't be done; the message is one plain sentence."""


def say(text: str) -> None:
    print(plain(text), flush=True)


def progress(text: str) -> None:
    """Say what is going on, unless `-q` asks for results and refusals only."""
    if not _Quiet.asked:
        say(text)


def be_quiet(asked: bool) -> None:
    _Quiet.asked = asked


class _Quiet:
    asked = False


def complain(text: str) -> None:
    print(plain(text), file=sys.stderr, flush=True)


def plain(text: str) -> str:
    """Return `text` with everything escaped that moves a cursor or turns the direction of writing.

    Names and refusals come from a server, and a terminal obeys what it reads.
    """
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode("ascii") for c in text)


def mute() -> None:
    """Send what is left in the buffer nowhere: it can't be written, and Python would try again at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_json(found: Any) -> None:
    print(json.dumps(found, indent="\t", ensure_ascii=False), flush=True)  # JSON escapes what a terminal would obey


def table(titles: list[str], rows: list[list[str]]) -> None:
    rows = [[plain(text) for text in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    for row in [titles, *rows]:
        say("   ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def ask(prompt: str) -> str:
    try:
        return input(prompt)
    except EOFError:
        raise Refused(f"Nothing was entered at {prompt.strip()!r}.") from None
    except UnicodeDecodeError:
        raise Refused(f"What was entered at {prompt.strip()!r} is not valid text.") from None


def ask_secret(prompt: str) -> str:
    if not sys.stdin.isatty():
        return ask(prompt)
    return getpass.getpass(prompt)


def confirm(prompt: str) -> bool:
    return ask(prompt).strip().lower() in ("y", "yes")
