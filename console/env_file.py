"""The file .env: read as a whole, or refused with a sentence that names the line."""

import difflib
import io
import re
import stat
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from dotenv.parser import Binding, parse_stream
from dotenv.variables import parse_variables

SETTINGS = (
    "ACCOUNTS_URL", "ALLOWED_HOSTS", "APIKEYS_ACTION_WHEN_LEAKED", "APIKEYS_BACKEND", "APIKEYS_CREATORS",
    "APIKEYS_MAX_LIFETIME_DAYS", "APIKEYS_MUST_EXPIRE", "APIKEYS_NETWORKS", "APIKEYS_PEPPERS", "APIKEYS_PEPPERS_FILE",
    "APIKEYS_PER_IDENTITY", "APIKEYS_PREFIX", "APIKEYS_RESTORE_HOURS", "AUDIT_DAYS", "AUDIT_EXCHANGES", "AUDIT_LOG",
    "BAD_VALUES_PER_MINUTE", "CONNECTIONS",
    "CONSOLE_ADMIN_EMAIL", "CONSOLE_ADMIN_PASSWORD",
    "CONSOLE_ADMIN_PASSWORD_FILE", "CONSOLE_ADMIN_USER", "CONSOLE_BRAND", "COPY_FROM", "COPY_FROM_FILE",
    "DATABASE_URL", "DATABASE_URL_FILE", "DATABASE_WAIT_SECONDS", "DATA_DIR", "DEBUG", "EMAIL_FROM", "EMAIL_URL",
    "EMAIL_URL_FILE", "FAILOVER_SECONDS", "HOST",
    "HTTPS", "IAM_URL", "IDLE_SECONDS", "LEAK_REPORT_KEYS", "LOGIN_ATTEMPTS_PER_ADDRESS", "LOGIN_ATTEMPTS_PER_USER",
    "LOGIN_ATTEMPTS_PER_USER_AND_ADDRESS", "LOG_FORMAT", "LOG_LEVEL",
    "METRICS_TOKEN", "METRICS_TOKEN_FILE",
    "OIDC_ADMINISTRATORS", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET", "OIDC_CLIENT_SECRET_FILE", "OIDC_CREATE_USERS",
    "OIDC_GROUPS_CLAIM", "OIDC_ISSUER", "OIDC_NAME", "OIDC_ONLY", "OIDC_SCOPES", "OIDC_TWO_FACTOR_ACR",
    "OIDC_USER_ID_CLAIM",
    "PASSWORD_GRANT", "PORT", "PUBLIC_URL",
    "REAUTHENTICATE_MINUTES", "SECOND_FACTOR",
    "SECRET_FILES_OPEN_TO_GROUP", "SECRET_KEY", "SECRET_KEY_FALLBACKS",
    "SECRET_KEY_FALLBACKS_FILE", "SECRET_KEY_FILE",
    "SESSION_HOURS", "SESSION_IDLE_MINUTES", "SESSIONS_PER_PERSON",
    "THREADS", "TOKEN_ALGORITHM", "TOKEN_AUDIENCE", "TRUSTED_PROXIES",
    "WEBHOOKS_ALLOWED_NETWORKS", "WEBHOOKS_CA_FILE", "WEBHOOKS_HTTP", "WORKERS",
)  # fmt: skip
ALIKE = 0.85  # how much of a name may differ for it to be a misspelt one
_PLACEHOLDER = re.compile(r"\$\{([^}:]*)")


# What can be a secret is what can come as a file of its own.
SECRETS = {name.removesuffix("_FILE") for name in SETTINGS if name.endswith("_FILE")}


def read_env_file(path: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return what the file sets, by name; nothing where there is no file.

    ${NAME} is replaced by that variable of the environment or of an earlier line, except inside single quotes.
    Raises ImproperlyConfigured where the file can't be read, a line has no meaning, a name is a misspelt setting, or it
    holds a secret, others may read it and it is not this user's to close; warns where it was closed, and about a name
    that is no setting and that no other line uses.
    """
    text = _text_of(path)
    found: dict[str, str] = {}
    for binding in parse_stream(io.StringIO(text)):
        line = _line_of(binding)
        if binding.error or (binding.key and binding.value is None):
            raise ImproperlyConfigured(
                f"{path.name}, line {line}: write NAME=value, and close each quotation mark that is opened."
            )
        if binding.key and binding.value is not None:
            _check_name(binding.key, f"{path.name}, line {line}", used=set(_PLACEHOLDER.findall(text)))
            found[binding.key] = "".join(_pieces(binding, {**found, **environment}))
    if secrets := [name for name, text in found.items() if name in SECRETS and _holds_secret(text)]:
        _keep_private(path, secrets, {**found, **environment})
    return found


def _holds_secret(text: str) -> bool:
    """Tell whether a value may be a secret: an address without a password is none."""
    try:
        return bool(text.strip()) and ("://" not in text or bool(urlsplit(text).password))
    except ValueError:
        return True


def _keep_private(path: Path, secrets: list[str], settings: Mapping[str, str]) -> None:
    """Close the file to others, with a warning. Raises ImproperlyConfigured where it is not this user's to close."""
    found = path.stat()
    others = stat.S_IRWXO if settings.get("SECRET_FILES_OPEN_TO_GROUP") == "true" else stat.S_IRWXO | stat.S_IRWXG
    if not found.st_mode & others:
        return
    names = ", ".join(secrets)
    try:
        path.chmod(stat.S_IMODE(found.st_mode) & ~others)
    except OSError:
        raise ImproperlyConfigured(
            f"{path} holds a secret ({names}) and is open to other users. Run: chmod 600 {path}, as the console's "
            "user, whose file it must be; or give it a group that is the console's own, mode 640 and "
            "SECRET_FILES_OPEN_TO_GROUP=true."
        ) from None
    warnings.warn(
        f"{path} holds a secret ({names}) and was open to other users. It is closed now; if they may have read it, "
        "change the secret.",
        stacklevel=2,
    )


def _text_of(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return ""
    except OSError as exc:
        raise ImproperlyConfigured(f"{path} can't be read: {exc.strerror}.") from exc
    except UnicodeDecodeError as exc:
        raise ImproperlyConfigured(f"{path} is not UTF-8 text: save it in UTF-8.") from exc
    if "\0" in text:  # UTF-16 without its mark at the start
        raise ImproperlyConfigured(f"{path} is not UTF-8 text: save it in UTF-8.")
    return text


def _line_of(binding: Binding) -> int:
    """Return the number of the line that a statement begins on; the parser counts blank lines before it as its own."""
    text = binding.original.string
    before = text[: len(text) - len(text.lstrip())]
    return binding.original.line + len(before.splitlines())


def _check_name(name: str, place: str, used: set[str]) -> None:
    if name in SETTINGS:
        return
    alike = difflib.get_close_matches(name.upper().replace("-", "_"), SETTINGS, 1, ALIKE)
    if alike:
        raise ImproperlyConfigured(f"{place}: {name} is not a setting. Did you mean {alike[0]}?")
    if name not in used:
        warnings.warn(f"{place}: {name} is not a setting of the console.", stacklevel=3)


def _pieces(binding: Binding, variables: Mapping[str, str]) -> Iterator[str]:
    value = binding.value or ""
    if binding.original.string.partition("=")[2].lstrip().startswith("'"):
        yield value
    else:
        yield from (piece.resolve(variables) for piece in parse_variables(value))
