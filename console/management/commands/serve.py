"""Prepares the database and static files, makes the first administrator, and serves with Granian."""

import errno
import hashlib
import logging
import os
import secrets
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.contrib.staticfiles.finders import get_finders
from django.core.checks import Tags
from django.core.exceptions import ValidationError
from django.core.management import BaseCommand, CommandError, call_command
from django.db import Error, connection, connections

from apikeys.backends import store_traits
from apikeys.storage.errors import first_line
from console import changed_settings, metrics, server_address, sqlite_files
from console.copy_store import copying
from console.env import env_secret, env_str, in_url, is_every_address, is_loopback
from console.exceptions import Unfit
from console.locks import database_locked, folder_locked
from console.log_in import passwords
from console.models import User
from console.people.changes import TAKEN, is_taken
from console.server import ports

FIRST_PASSWORD_BYTES = 18
WAIT_STEP_SECONDS = 2.0
HEADER_BYTES = 64 * 1024  # of a request: cookies of a host with many applications, and room to spare


class Command(BaseCommand):
    help = "Serve the console: migrations, static files, first administrator, then the production server."
    # `prepare` runs them, once it has looked at the database's file: some versions of Django open it for a check.
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        # As the first process of a container this one would not hear SIGTERM before Granian listens for it.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        refuse_taken_port()
        self.prepare()
        refuse_taken_port()  # another start may have been faster
        with suppress(OSError):  # without figures it serves all the same
            metrics.begin()
        server_address.note()
        self.say(f"The console is at {where()}  (Ctrl-C stops it)")
        # A worker that closes an SQLite connection which it inherited takes the journal away from the others.
        connections.close_all()
        serve()

    def say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()

    def prepare(self) -> None:
        """Make everything ready, one start at a time."""
        try:
            with folder_locked(settings.DATA_DIR, self.waits):
                self.check_files()
                self.wait_for_database()
                with database_locked(connection, self.waits):
                    if copying.is_unfinished():
                        raise CommandError("The database holds a part of a copy: run manage.py copy_store to its end.")
                    call_command("migrate", interactive=False, verbosity=0)
                    # Refuses here, before anything listens. Other checks are about the code, and load every page,
                    # a third of what this process does until a server that was killed answers again.
                    self.check(tags=[Tags.database], databases=["default"])
                    self.collect_static()
                    self.first_administrator()
                    changed_settings.tell()
        except OSError as exc:
            raise CommandError(f"DATA_DIR can't be used: {exc.filename or settings.DATA_DIR}: {exc.strerror}.") from exc

    def waits(self) -> None:
        self.say("Another start is preparing the same console: waiting for it.")

    def check_files(self) -> None:
        """Refuse an SQLite file that is no whole database, or lies beside the journal of another."""
        if connection.vendor != "sqlite":
            return
        file = Path(connection.settings_dict["NAME"])
        used_before = (settings.DATA_DIR / "peppers").exists() or (settings.STATIC_ROOT / "staticfiles.json").exists()
        try:
            sqlite_files.check_files(file, used_before=used_before)
        except Unfit as exc:
            raise CommandError(str(exc)) from exc
        if not file.exists():
            self.say(f"A new database is made: {file}")

    def wait_for_database(self) -> None:
        """Return once the database answers; after DATABASE_WAIT_SECONDS without an answer raise CommandError."""
        end = time.monotonic() + settings.DATABASE_WAIT_SECONDS
        while True:
            try:
                connection.ensure_connection()
                return
            except Error as exc:
                reason = first_line(exc)
            if connection.vendor == "sqlite" or time.monotonic() >= end:
                raise CommandError(f"The database can't be used: {reason}")
            self.say(f"The database does not answer, trying again: {reason}")
            time.sleep(min(WAIT_STEP_SECONDS, max(0.0, end - time.monotonic())))

    def collect_static(self) -> None:
        """Collect the static files, unless they are those of the last start: servers that run read them now."""
        note, digest = settings.DATA_DIR / "static.sha256", static_digest()
        if note.exists() and note.read_text() == digest and (settings.STATIC_ROOT / "staticfiles.json").exists():
            return
        call_command("collectstatic", interactive=False, verbosity=0)
        note.write_text(digest)

    def first_administrator(self) -> None:
        """Make the administrator once, when there is nobody yet."""
        # People of an upstream IAM have no password here, and can't log in to this store.
        people = User.objects.exclude(password__startswith=UNUSABLE_PASSWORD_PREFIX)
        if store_traits().is_upstream or people.exists():
            return
        username, email = env_str("CONSOLE_ADMIN_USER", "admin"), env_str("CONSOLE_ADMIN_EMAIL")
        given = env_secret("CONSOLE_ADMIN_PASSWORD")
        password = given or secrets.token_urlsafe(FIRST_PASSWORD_BYTES)
        person = User(username=username, email=email)
        given_as = {"username": f"CONSOLE_ADMIN_USER={username!r}", "email": f"CONSOLE_ADMIN_EMAIL={email!r}"}
        try:
            person.clean_fields(exclude=["password"])
        except ValidationError as exc:
            wrong = [f"{given_as[field]}: {' '.join(told)}" for field, told in exc.message_dict.items()]
            raise CommandError(" ".join(wrong)) from exc
        if is_taken(username):
            raise CommandError(f"{given_as['username']}: {TAKEN}")
        try:
            passwords.check(password, person)
        except ValidationError as exc:
            raise CommandError(f"CONSOLE_ADMIN_PASSWORD: {exc.messages[0]}") from None
        User.objects.create_superuser(username, email, password)
        if not given:
            self.stdout.write(
                "\n"
                "  The first administrator was made. This password is shown only now:\n\n"
                f"      User ID:   {username}\n"
                f"      Password:  {password}\n\n"
                "  Change it once you are logged in: whoever reads this output later knows it.\n"
            )


def static_digest() -> str:
    """Return the SHA-256 of what the static files are by path, size and time of change."""
    digest = hashlib.sha256()
    for finder in get_finders():
        for path, storage in finder.list(None):
            found = Path(storage.path(path)).stat()
            digest.update(f"{storage.path(path)} {found.st_size} {found.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def where() -> str:
    """Return the address to open, in words: by a name where there is one, which passkeys need."""
    behind = " behind your HTTPS proxy" if settings.HTTPS else ""
    if is_every_address(settings.HOST):
        return f"http://localhost:{settings.PORT}, on every address of this machine{behind}"
    name = "localhost" if is_loopback(settings.HOST) else in_url(settings.HOST)
    return f"http://{name}:{settings.PORT}{behind}"


def refuse_taken_port() -> None:
    """Raise CommandError when something listens there: Granian would share the port without a word."""
    family = socket.AF_INET6 if ":" in settings.HOST else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.HOST, settings.PORT))
        except OSError as exc:
            place = f"HOST={settings.HOST} PORT={settings.PORT}"
            hint = who_to_stop(settings.PORT) if exc.errno == errno.EADDRINUSE else ""
            raise CommandError(f"{place} can't be used: {exc.strerror}.{hint}") from exc


def who_to_stop(port: int) -> str:
    """Return what to do about a port that is taken."""
    found = ports.listeners(port)
    if found:
        pids = " ".join(str(listener.pid) for listener in found)
        return f" It is held by {in_words(found, ' and ')}. Stop it with: kill {pids}, or set another PORT."
    consoles = ports.consoles()
    what = f"One of your consoles, {in_words(consoles, ' or ')}, or a" if consoles else "A"
    return (
        f" {what} program of another user or another container listens there. As root, see it with: "
        f"ss -ltnp 'sport = :{port}', then stop it, or set another PORT."
    )


def in_words(found: list[ports.Listener], word: str) -> str:
    return word.join(f"process {listener.pid} ({listener.command})" for listener in found)


def serve() -> None:
    """Run Granian in this process until SIGINT or SIGTERM; requests that began are finished.

    On SIGTERM connections that are kept alive end first: console/server/stopping.py.
    """
    from granian.constants import HTTPModes, Interfaces, Loops
    from granian.http import HTTP1Settings
    from granian.log import LogLevels

    from console.server.stopping import StoppingServer

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")
    if store_traits().is_upstream:
        # Granian advises against more threads than processors can run; these wait for another service.
        logging.getLogger("_granian").addFilter(lambda record: "Python threads" not in str(record.msg))
    server = StoppingServer(
        "console.server.worker:application",
        address=settings.HOST,
        port=settings.PORT,
        interface=Interfaces.RSGI,
        loop=Loops.uvloop,
        http=HTTPModes.http1,  # a stream of HTTP/2 that promises a body and sends none holds its thread for ever
        workers=settings.WORKERS,
        http1_settings=HTTP1Settings(max_buffer_size=HEADER_BYTES, header_read_timeout=settings.IDLE_SECONDS * 1000),
        backpressure=settings.CONNECTIONS,
        respawn_failed_workers=True,
        log_enabled=True,
        log_level=LogLevels.warning,
        log_dictconfig=settings.LOGGING,
        websockets=False,
        workers_kill_timeout=settings.WORKER_END_SECONDS,
    )
    server.serve()
    if connection.vendor == "sqlite":  # its workers left without closing their connections
        sqlite_files.end_journal(Path(connection.settings_dict["NAME"]))
    sys.stdout.write("Stopped.\n")
