"""Files that contain a key: created with mode 0600, never overwritten; read in each form that IBM ever wrote."""

import codecs
import contextlib
import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apikeys import values
from apikeys.cli.output import Refused, complain

OTHERS = 0o077  # the permissions of everybody but the owner
ORDER = (
    "id", "crn", "iam_id", "account_id", "name", "description", "apikey", "locked", "entity_tag",
    "created_at", "created_by", "modified_at",
)  # fmt: skip
API_KEY_VARIABLE = "IBMCLOUD_API_KEY"  # contains a value, or @FILE
API_KEY_VARIABLES = (API_KEY_VARIABLE, "BLUEMIX_API_KEY")  # the second is the name of 2017
MEMBERS = ("apikey", "apiKey")  # of the JSON object, today and in 2017
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)  # what `>` writes in a PowerShell


class KeyFileError(Refused):
    """One plain sentence about a file."""


@dataclass(frozen=True, slots=True)
class ReservedFile:
    """An empty, private file, created before the secret that it is for: without a file none is asked for."""

    path: Path
    descriptor: int

    def write(self, key: dict[str, Any]) -> None:
        """Write the key with the members of the old and the new form. Raises OSError, and removes the file then."""
        fields = {name: key[name] for name in ORDER if name in key}
        fields |= {"createdAt": key.get("created_at", ""), "uuid": key.get("id", "")}
        self.write_text(json.dumps(fields, indent="\t", ensure_ascii=False) + "\n")

    def write_text(self, text: str) -> None:
        """Write what the file is for. Raises OSError, and removes the file then."""
        try:
            with os.fdopen(self.descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            self.path.unlink(missing_ok=True)
            raise

    def remove(self) -> None:
        """Remove the empty file again."""
        with contextlib.suppress(OSError):
            os.close(self.descriptor)
        with contextlib.suppress(OSError):
            self.path.unlink()


def reserve(name: str) -> ReservedFile:
    """Create the file, mode 0600. Raises KeyFileError where it exists or can't be created."""
    path = Path(name)
    try:
        return ReservedFile(path, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        raise KeyFileError(f"{name} already exists and was left unchanged. Choose another file.") from None
    except OSError as exc:
        raise KeyFileError(f"Can't create {name}: {exc.strerror}.") from None


def resolve_value(text: str, source: str) -> str:
    """Return a value as people give it: itself, or what is in the file of `@FILE`. Raises KeyFileError.

    `source` says where it was given.
    """
    if text.strip().startswith("@"):
        return read_value(text.strip()[1:])
    return _validate(text, source)


def read_value(name: str) -> str:
    """Return the value in a file: the `apikey` of a JSON object, or the only word. Raises KeyFileError.

    Warns on standard error of a file that other users can read.
    """
    text = _text_of(name).strip()
    if text.startswith("{"):
        value = _validate(_member(text), name)
    elif len(text.split()) > 1:
        raise KeyFileError(f"{name} contains more than an API key.")
    else:
        value = _validate(text, name)
    _warn_if_readable_by_others(name)
    return value


def _member(text: str) -> str:
    """Return the value in a JSON object, "" for none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    value = next((found[member] for member in MEMBERS if member in found), "")
    return value if isinstance(value, str) else ""


def _text_of(name: str) -> str:
    try:
        content = Path(name).expanduser().read_bytes()
        return content.decode("utf-16" if content.startswith(UTF_16) else "utf-8-sig")
    except OSError as exc:
        raise KeyFileError(f"Can't read {name}: {exc.strerror}.") from None
    except UnicodeDecodeError:
        raise KeyFileError(f"{name} is not a key file.") from None
    except RuntimeError:  # "~nobody-of-this-name"
        raise KeyFileError(f"Can't read {name}: No such home directory.") from None


def _warn_if_readable_by_others(name: str) -> None:
    status = Path(name).expanduser().stat()
    if stat.S_ISREG(status.st_mode) and status.st_mode & OTHERS and status.st_uid == os.getuid():
        complain(f"Warning: other users of this machine can read {name}. To keep it private: chmod 600 {name}")


def _validate(text: str, source: str) -> str:
    """Return a value without the white space and quotes around it. Raises KeyFileError where it can't be one."""
    value = values.trimmed(text)
    if not value:
        raise KeyFileError(f"{source} contains no API key.")
    if any(ord(character) < 32 for character in value):
        raise KeyFileError(f"{source} contains more than one line. An API key is one line.")
    return value
