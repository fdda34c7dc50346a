"""Files that hold a key: written once with mode 0600, never over another file; read in IBM's old and new form."""

import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ORDER = (
    "id", "crn", "iam_id", "account_id", "name", "description", "apikey", "locked", "entity_tag",
    "created_at", "created_by", "modified_at",
)  # fmt: skip


API_KEY_VARIABLE = "IBMCLOUD_API_KEY"  # holds a value, or @FILE


class KeyFileError(Exception):
    """One plain sentence about a file."""


@dataclass(frozen=True, slots=True)
class Reserved:
    """A file that is there already, empty and private, before the key is made: so no key is lost for want of one."""

    path: Path
    descriptor: int

    def write(self, key: dict[str, Any]) -> None:
        """Write the key in the union of the old and the new form. Raises OSError; nothing is left of the file then."""
        fields = {name: key[name] for name in ORDER if name in key}
        fields |= {"createdAt": key.get("created_at", ""), "uuid": key.get("id", "")}
        text = json.dumps(fields, indent="\t", ensure_ascii=False) + "\n"
        try:
            with os.fdopen(self.descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            self.path.unlink(missing_ok=True)
            raise

    def give_up(self) -> None:
        """Remove the empty file again."""
        with contextlib.suppress(OSError):
            os.close(self.descriptor)
        with contextlib.suppress(OSError):
            self.path.unlink()


def reserve(name: str) -> Reserved:
    """Make the file, mode 0600. Raises KeyFileError where it exists or can't be made."""
    path = Path(name)
    try:
        return Reserved(path, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        raise KeyFileError(f"{name} exists already, and is left as it is. Choose another file.") from None
    except OSError as exc:
        raise KeyFileError(f"{name} can't be made: {exc.strerror}.") from None


def given_value(text: str) -> str:
    """Return a value as people give it: itself, or what is in the file of `@FILE`. Raises KeyFileError."""
    return read_value(text[1:]) if text.startswith("@") else text


def read_value(name: str) -> str:
    """Return the value in a file: the `apikey` of a JSON object, or the whole text. Raises KeyFileError."""
    try:
        text = Path(name).expanduser().read_text(encoding="utf-8-sig").strip()
    except OSError as exc:
        raise KeyFileError(f"{name} can't be read: {exc.strerror}.") from None
    except UnicodeDecodeError:
        raise KeyFileError(f"{name} is not a key file.") from None
    except RuntimeError:  # "~nobody-of-this-name"
        raise KeyFileError(f"{name} can't be read: there is no such home folder.") from None
    if not text.startswith("{"):
        if not text or len(text.split()) != 1:
            raise KeyFileError(f"{name} holds no API key.")
        return text
    try:
        value = json.loads(text).get("apikey")
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, str) or not value:
        raise KeyFileError(f"{name} holds no API key.")
    return value
