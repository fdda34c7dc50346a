"""An audit event as one line of JSON in the shape of CADF, for a collector of logs; docs/audit.md has every field.

A line is written once its event is committed. It never holds back a request: what could not be written is counted in
the log of the server, and the row stays.
"""

import ipaddress
import json
import logging
import os
import sys
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from pathlib import Path
from threading import Lock
from typing import Any

from django.conf import settings
from django.db import transaction

from apikeys.domain import SERVICE_ID_PREFIX
from apikeys.exceptions import ApiKeyError
from apikeys.models import AuditEvent

STREAMS = ("stdout", "stderr")
EVENT_TYPE = "http://schemas.dmtf.org/cloud/audit/1.0/event"
FAILED = ("failure",)

logger = logging.getLogger(__name__)


def emit(event: AuditEvent) -> None:
    """Write the line of an event once the transaction is committed; nothing where AUDIT_LOG is empty."""
    if settings.AUDIT_LOG:
        transaction.on_commit(partial(_write, line_of(event)))


def line_of(event: AuditEvent) -> str:
    """Return an event as JSON in one line of ASCII, so that nothing in it can begin another line."""
    return json.dumps(cadf(event), separators=(",", ":"))


def cadf(event: AuditEvent) -> dict[str, Any]:
    """Return an event in the shape of CADF (DMTF DSP0262), with the names of IBM Cloud's audit events."""
    about = event.action.rpartition(".")[0].replace(".", "/")
    return {
        "typeURI": EVENT_TYPE,
        "eventType": "activity",
        "id": str(event.id),
        "action": event.action,
        "eventTime": moment(event.event_time),
        "correlationId": event.correlation_id,
        "outcome": event.outcome,
        "severity": event.severity,
        "reason": _reason(event),
        "initiator": {
            "id": event.initiator_id,
            "name": event.initiator_name,
            "typeURI": "service/security/account/user",
            "credential": {"type": "apikey" if event.initiator_id.startswith(SERVICE_ID_PREFIX) else "user"},
            "host": {"address": event.address, "addressType": _address_type(event.address), "agent": event.agent},
        },
        "target": {"id": event.target_id, "name": event.target_name, "typeURI": about},
        "requestData": event.request_data,
        "observer": observer(),
        "message": _message(event),
    }


def moment(when: datetime) -> str:
    """Return a moment in UTC as RFC 3339 has it, to the millisecond."""
    return when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def observer() -> dict[str, str]:
    """Return this console as CADF names who saw an event."""
    return {"id": settings.PUBLIC_URL, "name": "API keys console", "typeURI": "service/security"}


def _reason(event: AuditEvent) -> dict[str, Any]:
    status = HTTPStatus.OK
    if event.outcome in FAILED:
        status = HTTPStatus(ApiKeyError.statuses.get(event.reason, HTTPStatus.BAD_REQUEST))
    told = {"reasonCode": int(status), "reasonType": status.phrase}
    return told | ({"reasonForFailure": event.reason} if event.reason else {})


def _message(event: AuditEvent) -> str:
    about, _dot, what = event.action.rpartition(".")
    end = " -failure" if event.outcome in FAILED else ""
    return f"IAM Identity Service: {what} {about.rpartition('.')[2]} {event.target_name}".rstrip() + end


def _address_type(address: str) -> str:
    try:
        return f"IPv{ipaddress.ip_address(address).version}"
    except ValueError:
        return ""


class File:
    """A file that lines are added to, whole, by any number of processes; one that was moved away is made anew."""

    def __init__(self, path: str) -> None:
        self.path, self.descriptor, self.known = Path(path), -1, (0, 0)

    def write(self, line: str) -> None:
        """Add a line. Raises OSError."""
        if self.descriptor < 0 or self._identity() != self.known:
            self._open()
        data = f"{line}\n".encode()
        if os.write(self.descriptor, data) != len(data):
            raise OSError("the disk is full")

    def _identity(self) -> tuple[int, int]:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return 0, 0
        return found.st_dev, found.st_ino

    def _open(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self.descriptor = os.open(self.path, flags, 0o600)
        self.known = self._identity()


class _Lines:
    """Where lines go, in this process."""

    def __init__(self) -> None:
        self.lock, self.place, self.lost = Lock(), "", 0
        self.file: File | None = None

    def write(self, line: str) -> None:
        place = settings.AUDIT_LOG
        with self.lock:
            if place in STREAMS:
                stream = getattr(sys, place)
                stream.write(f"{line}\n")
                stream.flush()
                return
            if self.file is None or place != self.place:
                self.file, self.place = File(place), place
            self.file.write(line)


_lines = _Lines()


def _write(line: str) -> None:
    try:
        _lines.write(line)
    except (OSError, ValueError) as exc:  # ValueError: a stream that was closed
        _lines.lost += 1
        if _lines.lost == 1:
            why = getattr(exc, "strerror", None) or type(exc).__name__
            logger.error("AUDIT_LOG can't be written: %s. Events are in the database all the same.", why)
        return
    if _lines.lost:
        logger.warning("AUDIT_LOG is written again; %d lines are missing.", _lines.lost)
        _lines.lost = 0
