"""One run of the command line. Imports no Django, and `requests` only when a server is asked."""

import io
import sys
from collections.abc import Sequence

from apikeys.cli.output import INTERRUPTED, REFUSED, USAGE, Refused, complain, discard_output, set_quiet
from apikeys.cli.parser import parse
from apikeys.exceptions import ApiKeyError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 done, 1 refused, 2 not understood, 130 interrupted."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # for names that the terminal can't show
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = parse(given)
    if options.command != "scan" and any(0xD800 <= ord(c) < 0xE000 for argument in given for c in argument):
        complain("apikeys: an argument is not valid text in this terminal's encoding.")
        return USAGE
    set_quiet("quiet" in options)
    try:
        options.run(options)
    except (Refused, ApiKeyError) as exc:
        trace = getattr(exc, "trace", "")
        complain(f"FAILED\n{exc}" + (f"\nRequest ID: {trace}" if trace else ""))
        return REFUSED
    except ModuleNotFoundError as exc:
        complain(f"FAILED\nThe Python package {exc.name} is missing. Run: {sys.executable} -m pip install {exc.name}")
        return REFUSED
    except KeyboardInterrupt:
        complain("\nInterrupted. Nothing more was done.")
        return INTERRUPTED
    except OSError as exc:
        discard_output()
        if not isinstance(exc, BrokenPipeError):
            complain(f"FAILED\nThe output can't be written: {exc.strerror}.")
        return REFUSED
    return 0
