"""What each first start makes alike, made once in a test run and copied: static files, and a database without rows.

A first start takes five seconds of a processor, and the copy a fraction of one. What a first start does is a matter of
tests/test_starts.py, whose consoles begin with nothing.
"""

import atexit
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from console.env import stored_secret
from tests import databases

ROOT = Path(__file__).resolve().parent.parent
MIGRATE = """
import django
django.setup()
from django.core.management import call_command
from apikeys.models import AuditChain, PepperFingerprint
call_command("migrate", verbosity=0)
PepperFingerprint.objects.all().delete()  # each console has peppers of its own
AuditChain.objects.all().delete()  # whose key is sealed under one: a start begins it
"""
COLLECT = """
from console.management.commands.serve import Command
Command().collect_static()
"""
DATABASE, DIGEST = "console.sqlite3", "static.sha256"


def prepare(data_dir: Path, *, with_database: bool) -> None:
    """Make the folder of a console as if it had been started once, but for people; or but for its database, too."""
    home = _home()
    data_dir.mkdir(mode=0o700)
    shutil.copytree(home / "static", data_dir / "static")
    shutil.copyfile(home / DIGEST, data_dir / DIGEST)
    if not with_database:
        return
    if databases.SERVER:
        databases.make_again(databases.name_for(data_dir), databases.name_for(home))
    else:
        shutil.copyfile(home / DATABASE, data_dir / DATABASE)
        # Beside a database no start makes peppers.
        stored_secret(data_dir / "peppers", lambda: f"1:{secrets.token_hex(32)}")


def without_settings() -> dict[str, str]:
    """Return this process's environment without what would change a console of a test."""
    return {name: text for name, text in os.environ.items() if not name.startswith(("APIKEYS_", "CONSOLE_"))}


def migrate(data_dir: Path, database_url: str, *, then: str = "") -> None:
    """Make the tables of a console in an empty database; whatever folder it gets then, it is not used yet."""
    environment = without_settings() | {
        "DATA_DIR": str(data_dir),
        "DATABASE_URL": database_url,
        "DJANGO_SETTINGS_MODULE": "console.settings",
    }
    subprocess.run([sys.executable, "-c", MIGRATE + then], cwd=ROOT, env=environment, check=True)


@cache
def _home() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="apikeys-prepared-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    home = folder / "data"
    migrate(home, databases.url_for(home), then=COLLECT)
    return home
