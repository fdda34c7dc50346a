"""The passphrase of a backup: from a private file, or asked for at a terminal; never from an argument.

Whoever has the file can try as long as they like, so it is judged as a password is.
"""

import getpass
import sys
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.management import CommandError

from console.env import read_private
from console.exceptions import Unfit
from console.log_in import passwords


def new_passphrase(file: Path | None) -> str:
    """Return the passphrase of a new backup, typed twice; none that is easily guessed. Raises CommandError."""
    try:
        passphrase = known_passphrase(file)
        if file is None and getpass.getpass("The same again: ") != passphrase:
            raise Unfit("These were two different passphrases.")
        passwords.check(passphrase)
    except Unfit as exc:
        raise CommandError(str(exc)) from None
    except ValidationError as exc:
        raise CommandError(f"The passphrase is as weak as a password: {exc.messages[0]}") from None
    return passphrase


def known_passphrase(file: Path | None) -> str:
    """Return the passphrase of a backup. Raises Unfit where there is none to be had."""
    if file is not None:
        try:
            return read_private(file, "--passphrase-file")
        except ImproperlyConfigured as exc:
            raise Unfit(str(exc)) from None
    if not sys.stdin.isatty():
        raise Unfit("The backup needs a passphrase: name a file that holds it with --passphrase-file.")
    return getpass.getpass("Passphrase of the backup: ")
