"""Settings that changed since the last start: one audit event says which.

What the last start had is a row of the database. Of a setting that can be a secret, one that may come from a file, the
row has a hash under a key that SECRET_KEY makes, and the event has the name alone.
"""

import hashlib
import hmac
import logging
import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from django.db import Error, transaction

from apikeys import audit
from apikeys.domain import Caller
from apikeys.models import SettingsRecord
from apikeys.sealing import secret_keys
from apikeys.storage.errors import first_line
from console.env import env_secret, env_str, private_lines
from console.env_file import SECRETS, SETTINGS
from console.people.commands import operator_name

# Consoles of one database may differ in these, or they are for one command, or for the first start alone.
NOT_COMPARED = {
    "CONNECTIONS", "CONSOLE_ADMIN_EMAIL", "CONSOLE_ADMIN_PASSWORD", "CONSOLE_ADMIN_USER", "COPY_FROM", "DATA_DIR",
    "PORT", "THREADS", "WORKERS",
}  # fmt: skip
COMPARED = sorted({name for name in SETTINGS if not name.endswith("_FILE")} - NOT_COMPARED)
SECRET = SECRETS & {*COMPARED}
PURPOSE = b"console changed settings v1"
MOST = 200  # characters of a value that an event tells

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kept:
    """What a start had: `made_by` tells which SECRET_KEY made the hashes of `values`, by the name of the setting."""

    made_by: str
    values: dict[str, str]

    @classmethod
    def of(cls, given: dict[str, str], secret_key: str) -> "Kept":
        values = {name: _hash(secret_key, name, text) if name in SECRET else text for name, text in given.items()}
        return cls(_hash(secret_key, "", ""), values)

    def differs_in(self, given: dict[str, str]) -> list[str]:
        """Return the names of what is another value now; SECRET_KEY in place of secrets that can't be compared."""
        maker = next((key for key in secret_keys() if _hash(key, "", "") == self.made_by), None)
        now = Kept.of(given, maker or "").values
        found = [name for name in COMPARED if self.values.get(name, "") != now.get(name, "")]
        return found if maker is not None else sorted({*found} - SECRET | {"SECRET_KEY"})


def tell() -> None:
    """Write the event of what changed since the last start, and keep what there is now; one start at a time.

    A database that takes no change holds no start back: the log says so, and the next start compares again.
    """
    now = given()
    keeping = Kept.of(now, secret_keys()[0])
    told = {"made_by": keeping.made_by, "values": keeping.values}
    try:
        with transaction.atomic():
            row = SettingsRecord.objects.filter(pk=SettingsRecord.ONLY).first()
            if row is None or row.told != told:
                SettingsRecord.objects.update_or_create(pk=SettingsRecord.ONLY, defaults={"told": told})
            last = Kept(**row.told) if row else keeping
            if changed := last.differs_in(now):
                data = _data(changed, last.values, now)
                audit.record(_caller(), audit.SETTING_UPDATE, target_name=", ".join(changed)[:255], **data)
    except Error as exc:
        logger.warning("Which settings changed can't be audited, and the next start tries again: %s", first_line(exc))


def given() -> dict[str, str]:
    """Return what is set, by name; of a secret in a file what the file has. Raises ImproperlyConfigured."""
    found = {}
    for name in COMPARED:
        path = env_str(f"{name}_FILE") if name in SECRET else ""
        text = "\n".join(private_lines(Path(path), f"{name}_FILE")) if path else env_secret(name, may_be_quoted=True)
        if text:
            found[name] = text
    return found


def _caller() -> Caller:
    identity = replace(audit.NOBODY, name=operator_name())  # with keys upstream there is no account to name
    return Caller(identity, agent="manage.py", correlation_id=secrets.token_hex(16))


def _data(changed: list[str], before: dict[str, str], now: dict[str, str]) -> dict[str, Any]:
    """Return the names, and of what is no secret the value and the one before."""
    data = {"settings": ", ".join(changed)}
    for name in changed:
        if name not in SECRET:
            data |= {name: now.get(name, "")[:MOST], f"prev_{name}": before.get(name, "")[:MOST]}
    return data


def _hash(secret_key: str, name: str, text: str) -> str:
    key = hmac.digest(secret_key.encode(), PURPOSE, hashlib.sha256)
    return hmac.new(key, f"{name}\0{text}".encode(), hashlib.sha256).hexdigest()
