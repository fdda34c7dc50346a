"""Readers for settings that come from the environment; a wrong one stops the start with a sentence."""

import contextlib
import ipaddress
import json
import os
import re
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from django.core.exceptions import ImproperlyConfigured

from apikeys import networks
from apikeys.exceptions import InvalidApiKey
from console.locks import folder_locked

Read = TypeVar("Read")

TRUE, FALSE = "true", "false"
_WORD = re.compile(r"[!-~]{0,255}")
_HOST_NAME = re.compile(r"\.?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")


def env_str(name: str, default: str = "") -> str:
    """Return the variable without surrounding white space, or `default` when it is unset or blank.

    One in quotation marks raises ImproperlyConfigured: a shell or .env takes them off, and here they would be
    part of a path or a name.
    """
    raw = os.environ.get(name, "").strip()
    if is_quoted(raw):
        raise ImproperlyConfigured(f"{name}={raw}: leave out the quotation marks.")
    return raw or default


def env_optional(name: str, read: Callable[[str], Read]) -> Read | None:
    """Return what `read` makes of the variable, None when it is unset or blank. Raises as `read` does."""
    return read(name) if env_str(name) else None


def is_quoted(text: str) -> bool:
    return len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"


def env_bool(name: str, default: bool) -> bool:
    """Return True for `true` and False for `false`; anything else raises ImproperlyConfigured."""
    raw = env_str(name, TRUE if default else FALSE)
    if raw not in (TRUE, FALSE):
        raise ImproperlyConfigured(f"{name}={raw!r}: use 'true' or 'false'.")
    return raw == TRUE


def env_lines_to(name: str) -> str:
    """Return where lines go: "" for nowhere, `stdout`, `stderr`, or the path of a file in a folder that exists.

    Anything else raises ImproperlyConfigured.
    """
    raw = env_str(name)
    path = Path(raw)
    if raw in ("", "stdout", "stderr") or (path.is_absolute() and path.parent.is_dir() and not path.is_dir()):
        return raw
    raise ImproperlyConfigured(
        f"{name}={raw!r}: use stdout, stderr or the absolute path of a file in a folder that exists."
    )


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


def env_word(name: str) -> str:
    """Return at most 255 printable ASCII characters without blanks, "" when unset; else raises ImproperlyConfigured."""
    raw = env_str(name)
    if not _WORD.fullmatch(raw):
        raise ImproperlyConfigured(f"{name}={raw!r}: use at most 255 letters, digits and signs without blanks.")
    return raw


def env_networks(name: str) -> str:
    """Return networks as `apikeys.networks` writes them, "" when unset; commas or blanks stand between them.

    Anything but IPv4 and IPv6 networks, with a `!` before what is excluded, raises ImproperlyConfigured.
    """
    try:
        return networks.clean(env_str(name).replace(",", " ").split())
    except InvalidApiKey as exc:
        raise ImproperlyConfigured(f"{name}: {exc}") from None


def env_list(name: str, default: list[str]) -> list[str]:
    """Return the comma-separated parts without blanks, or `default` when there are none."""
    return [part for raw in env_str(name).split(",") if (part := raw.strip())] or default


def env_hosts(name: str, default: list[str]) -> list[str]:
    """Return the comma-separated names as Django compares them: in lower case, IPv6 addresses in brackets.

    `.example.com` stands for a domain and all below it, `*` for every name. What no browser sends as a name, such as
    an address with a scheme or a port, raises ImproperlyConfigured.
    """
    return [_host(name, part) for part in env_list(name, default)]


def _host(setting: str, raw: str) -> str:
    text = raw.lower().rstrip(".")
    with contextlib.suppress(ValueError):
        address = ipaddress.IPv6Address(text.removeprefix("[").removesuffix("]"))
        if not address.scope_id:  # a scope names an interface of one machine
            return f"[{address.compressed}]"
    if not (text == "*" or _HOST_NAME.fullmatch(text)):
        raise ImproperlyConfigured(
            f"{setting}: {raw!r} is not a host name. Use names separated by commas, without scheme, port or quotation "
            "marks: console.example.com,127.0.0.1"
        )
    return text


def env_url(name: str, default: str) -> str:
    """Return the address of a server without a slash at its end, `default` when unset.

    Anything but https://HOST[:PORT] raises ImproperlyConfigured; http:// is taken for this machine only, because
    passwords go there.
    """
    raw = env_str(name, default).rstrip("/")
    if not raw:
        return ""
    parts = _origin(raw)
    if parts is None:
        raise ImproperlyConfigured(f"{name}: use an address such as https://iam.cloud.ibm.com.")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        raise ImproperlyConfigured(f"{name}: use https://, because passwords go there.")
    return raw


def env_issuer(name: str) -> str:
    """Return the issuer of an OpenID provider, to the letter, "" when unset.

    Anything but https://HOST[:PORT][/PATH] raises ImproperlyConfigured; http:// is taken for this machine only.
    """
    raw = env_str(name)
    if not raw:
        return ""
    parts = _origin(raw[: len(raw) - len(path)]) if (path := _path_of(raw)) is not None else None
    is_near = parts is not None and parts.scheme == "http" and is_loopback(parts.hostname or "")
    if parts is None or not (parts.scheme == "https" or is_near) or len(raw) > 255:
        raise ImproperlyConfigured(
            f"{name}={raw!r}: use the issuer as the provider writes it, such as https://login.example.com/realms/staff."
        )
    return raw


def _path_of(raw: str) -> str | None:
    """Return the path of an address, None where something stands behind it, or it is no address."""
    try:
        parts = urlsplit(raw)
    except ValueError:
        return None
    return parts.path if raw.endswith(f"{parts.netloc}{parts.path}") and raw.isprintable() and " " not in raw else None


def env_public_url(name: str, default: str) -> str:
    """Return the address of this console without a slash at its end, `default` when unset.

    Raises ImproperlyConfigured unless it is http[s]://HOST[:PORT] with a host that others can name.
    """
    raw = env_str(name, default).rstrip("/")
    if not raw:
        raise ImproperlyConfigured(f"{name}: ALLOWED_HOSTS has no name that programs could use, so set {name}.")
    parts = _origin(raw)
    if parts is None or parts.scheme not in ("http", "https") or is_every_address(parts.hostname or ""):
        raise ImproperlyConfigured(
            f"{name}: use an address such as https://console.example.com. "
            "The console needs a host name of its own: it cannot live under a path."
        )
    return raw


def _origin(raw: str) -> SplitResult | None:
    """Return the parts of SCHEME://HOST[:PORT], None for any other text."""
    try:
        parts = urlsplit(raw)
        whole = parts.port != 0 and raw == f"{parts.scheme}://{parts.netloc}"
    except ValueError:
        return None
    host = (parts.hostname or "").lower()
    return parts if whole and "@" not in parts.netloc and (":" in host or _HOST_NAME.fullmatch(host)) else None


def default_url(host: str, port: int, names: list[str], *, https: bool) -> str:
    """Return the address that programs are told unless a setting names one; "" where none can be known.

    `host` is what the server listens on, `names` what browsers may call it.
    """
    proper = [name for name in names if name != "*" and not name.startswith(".")]
    if https:
        return f"https://{proper[0]}" if proper else ""
    if is_loopback(host):
        return f"http://localhost:{port}"
    if is_every_address(host):
        return f"http://{proper[0] if proper else 'localhost'}:{port}"
    return f"http://{in_url(host)}:{port}"


def in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def is_every_address(host: str) -> bool:
    """Tell whether a host to listen on stands for every address of this machine; it is no address to connect to."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


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


def env_public_keys(name: str) -> dict[str, str]:
    """Return public keys in PEM text by identifier, {} when unset.

    Raises ImproperlyConfigured unless each is a key for ECDSA with P-256.
    """
    found = env_json(name)
    for identifier, text in found.items():
        try:
            key = load_pem_public_key(text.encode())
        except (ValueError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
            raise ImproperlyConfigured(f"{name}: the key {identifier!r} is not PEM text of a P-256 public key.")
    return found


def env_secret(name: str, *, may_be_quoted: bool = False) -> str:
    """Return NAME, or the first line of the file that NAME_FILE names, or "" when neither is set.

    Raises ImproperlyConfigured when both are set, when the file is missing, empty or readable by others, or for a
    variable in quotation marks unless those may be a part of it.
    """
    direct, path = os.environ.get(name, "").strip(), env_str(f"{name}_FILE")
    if is_quoted(direct) and not may_be_quoted:
        raise ImproperlyConfigured(f"{name} stands in quotation marks: leave them out.")
    if direct and path:
        raise ImproperlyConfigured(f"{name} and {name}_FILE are both set: use one of them.")
    return read_private(Path(path), f"{name}_FILE") if path else direct


def env_secrets(name: str) -> list[str]:
    """Return the secrets in NAME, with blanks between them, or in the lines of the file that NAME_FILE names.

    Raises ImproperlyConfigured as `env_secret` does.
    """
    direct, path = env_secret(name), env_str(f"{name}_FILE")
    return private_lines(Path(path), f"{name}_FILE") if path else direct.split()


def read_private(path: Path, name: str) -> str:
    """Return the first line of a file as `private_lines` does, which it must have."""
    return private_lines(path, name)[0]


def private_lines(path: Path, name: str) -> list[str]:
    """Return the lines of a file that nobody but its owner may read, or its group where a setting trusts that.

    Raises ImproperlyConfigured when the file is missing, unreadable, begins with no line, or is open to anybody else.
    """
    trusts_group = env_bool("SECRET_FILES_OPEN_TO_GROUP", False)
    try:
        mode = path.stat().st_mode
        first, *others = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not text"
        raise ImproperlyConfigured(f"{name}: {path} can't be read: {reason}.") from exc
    if mode & stat.S_IRWXO or (mode & stat.S_IRWXG and not trusts_group):
        hint = (
            "" if mode & stat.S_IRWXO else ", or set SECRET_FILES_OPEN_TO_GROUP=true if its group is the console's own"
        )
        raise ImproperlyConfigured(f"{name}: {path} is open to other users. Run: chmod 600 {path}{hint}")
    if not first.strip():
        raise ImproperlyConfigured(f"{name}: {path} is empty.")
    return [first.strip(), *filter(None, map(str.strip, others))]


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
        try:
            with folder_locked(path.parent):
                if not path.exists():
                    write_private(path, make() + "\n")
        except OSError as exc:
            raise ImproperlyConfigured(f"{path} can't be written: {exc.strerror}.") from exc
    return read_private(path, path.name)


def write_private(path: Path, text: str) -> None:
    """Make or replace a file with mode 0600, at once: it has all of its text, or what it had. Its owner stays.

    Raises OSError where it can't be written.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
            if path.exists() and os.geteuid() == 0:  # root writes a file that the console is to read
                os.fchown(file.fileno(), path.stat().st_uid, path.stat().st_gid)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
