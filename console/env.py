"""Readers for settings that come from the environment; a wrong one stops the start with a sentence."""

import ipaddress
import json
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

TRUE, FALSE = "true", "false"


def env_str(name: str, default: str = "") -> str:
    """Return the variable without surrounding white space, or `default` when it is unset or blank."""
    return os.environ.get(name, "").strip() or default


def env_bool(name: str, default: bool) -> bool:
    """Return True for `true` and False for `false`; anything else raises ImproperlyConfigured."""
    raw = env_str(name, TRUE if default else FALSE)
    if raw not in (TRUE, FALSE):
        raise ImproperlyConfigured(f"{name}={raw!r}: use 'true' or 'false'.")
    return raw == TRUE


def env_int(name: str, default: int, *, low: int, high: int) -> int:
    """Return a whole number between `low` and `high`, both included; anything else raises ImproperlyConfigured."""
    raw = env_str(name, str(default))
    number = int(raw) if raw.isascii() and raw.isdigit() and len(raw) <= len(str(high)) else None
    if number is None or not low <= number <= high:
        raise ImproperlyConfigured(f"{name}={raw!r}: use a whole number from {low} to {high}.")
    return number


def env_choice(name: str, default: str, choices: tuple[str, ...]) -> str:
    """Return one of `choices`; anything else raises ImproperlyConfigured."""
    raw = env_str(name, default)
    if raw not in choices:
        raise ImproperlyConfigured(f"{name}={raw!r}: use {' or '.join(map(repr, choices))}.")
    return raw


def env_list(name: str, default: list[str]) -> list[str]:
    """Return the comma-separated parts without blanks, or `default` when there are none."""
    return [part for raw in env_str(name).split(",") if (part := raw.strip())] or default


def env_url(name: str, default: str) -> str:
    """Return the address of a server without a slash at its end, `default` when unset.

    Anything but https://HOST[:PORT] raises ImproperlyConfigured; http:// is taken for this machine only, because
    passwords go there.
    """
    raw = env_str(name, default).rstrip("/")
    if not raw:
        return ""
    try:
        parts = urlsplit(raw)
        port = parts.port
    except ValueError:
        port = -1
    if port == -1 or not parts.hostname or raw != f"{parts.scheme}://{parts.netloc}" or "@" in parts.netloc:
        raise ImproperlyConfigured(f"{name}: use an address such as https://iam.cloud.ibm.com.")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
        raise ImproperlyConfigured(f"{name}: use https://, because passwords go there.")
    return raw


def is_loopback(host: str) -> bool:
    """Tell whether a host's address or name stands for this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def env_json(name: str) -> dict[str, str]:
    """Return a JSON object of strings, {} when unset; anything else raises ImproperlyConfigured."""
    try:
        found = json.loads(env_str(name, "{}"))
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(text, str) for text in found.values()):
        raise ImproperlyConfigured(f"{name}: use a JSON object whose values are strings.")
    return found


def env_secret(name: str) -> str:
    """Return NAME, or the first line of the file that NAME_FILE names, or "" when neither is set.

    Raises ImproperlyConfigured when both are set, or when the file is missing, empty or readable by others.
    """
    direct, path = os.environ.get(name, "").strip(), env_str(f"{name}_FILE")
    if direct and path:
        raise ImproperlyConfigured(f"{name} and {name}_FILE are both set: use one of them.")
    return read_private(Path(path), f"{name}_FILE") if path else direct


def read_private(path: Path, name: str) -> str:
    """Return the first line of a file that nobody but its owner may read.

    Raises ImproperlyConfigured when the file is missing, unreadable, empty, or open to its group or to others.
    """
    try:
        mode = path.stat().st_mode
        first_line = path.read_text(encoding="utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not text"
        raise ImproperlyConfigured(f"{name}: {path} can't be read: {reason}.") from exc
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ImproperlyConfigured(f"{name}: {path} is open to other users. Run: chmod 600 {path}")
    if not first_line:
        raise ImproperlyConfigured(f"{name}: {path} is empty.")
    return first_line


def stored_secret(path: Path, make: Callable[[], str], *, may_make: bool = True) -> str:
    """Return the secret kept in `path`; the first caller makes it with `make`, with mode 0600, if it may.

    Several processes that start at once end with the same secret: the file appears whole, under its final
    name, exactly once. Raises ImproperlyConfigured as `read_private` does.
    """
    if not may_make and not path.exists():
        raise ImproperlyConfigured(
            f"{path} is missing, and what was made with it is there. Restore it from your backup."
        )
    if not path.exists():
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(make() + "\n")
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(draft, path)  # fails, atomically, where another process was first
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        except OSError as exc:
            raise ImproperlyConfigured(f"{path} can't be written: {exc.strerror}.") from exc
    return read_private(path, path.name)
