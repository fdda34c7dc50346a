"""What the command line says and asks: sentences, tables, JSON, prompts, and its exit status."""

import getpass
import json
import os
import sys
from typing import Any

REFUSED, USAGE, INTERRUPTED = 1, 2, 130


class Refused(Exception):
    """The command is refused; the message is the sentence to show."""


def say(text: str) -> None:
    print(escape(text), flush=True)


def report(text: str) -> None:
    """Print progress, unless `-q` asks for results and errors only."""
    if not _Quiet.asked:
        say(text)


def set_quiet(quiet: bool) -> None:
    _Quiet.asked = quiet


class _Quiet:
    asked = False


def complain(text: str) -> None:
    print(escape(text), file=sys.stderr, flush=True)


def escape(text: str) -> str:
    """Return `text` with everything escaped that moves the cursor or changes the direction of writing.

    Names and refusals come from a server, and a terminal obeys what it reads.
    """
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode("ascii") for c in text)


def discard_output() -> None:
    """Discard what is left in the buffer: it can't be written, and Python would try again when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_json(found: Any) -> None:
    print(json.dumps(found, indent="\t", ensure_ascii=False), flush=True)  # JSON escapes control characters itself


def print_table(titles: list[str], rows: list[list[str]]) -> None:
    rows = [[escape(text) for text in row] for row in rows]
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
