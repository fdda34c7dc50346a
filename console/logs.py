"""Log lines and error reports in which nothing that looks like a key's value or a token survives."""

import json
import logging
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from django.utils.safestring import SafeString
from django.views.debug import ExceptionReporter

from apikeys.api.errors import UNREADABLE
from apikeys.storage.errors import fault_of, first_line
from apikeys.values import mask, mask_path, mask_sent

LONGEST = 4_000  # characters of a message: a client chooses how long an address is

# The server's own name of the request that this thread answers, which its answer has as X-Correlation-Id; "" for none.
answered_request: ContextVar[str] = ContextVar("answered_request", default="")


class FaultFilter(logging.Filter):
    """Says in one line that the database is full or away: its traceback tells nothing, and comes with each request."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and fault_of(error) is not None:
            record.msg, record.args, record.exc_info = f"{record.getMessage()} ({first_line(error)})", None, None
        return True


class MaskFilter(logging.Filter):
    """Masks the message after its arguments were filled in; what a client broke has no traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], UNREADABLE):
            record.exc_info = None
        message, request = record.getMessage(), getattr(record, "request", None)
        if request is not None:
            masked = mask_path(request.path)
            for written in (request.path, _escaped(request.path)):  # Django escapes what it logs of a request
                message = message.replace(written, masked)
        record.msg, record.args = mask_sent(message), None
        return True


class LineFormatter(logging.Formatter):
    """One line a record, UTC first, with the id of a request in brackets; tracebacks follow, masked."""

    def format(self, record: logging.LogRecord) -> str:
        request_id = request_id_of(record)
        source = f"{record.name} [{request_id}]" if request_id else record.name
        line = f"{time_of(record)} {record.levelname} {source}: {message_of(record)}"
        return "\n".join([line, traceback]) if (traceback := traceback_of(self, record)) else line


class JsonFormatter(logging.Formatter):
    """One JSON object a line, in ASCII; `request_id` and `exception` are there only where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        told = {
            "time": time_of(record),
            "level": record.levelname,
            "logger": record.name,
            "message": message_of(record),
            "request_id": request_id_of(record),
            "exception": traceback_of(self, record),
        }
        return json.dumps({name: text for name, text in told.items() if text or name == "message"})


def time_of(record: logging.LogRecord) -> str:
    """Return when it was, in UTC, to the millisecond."""
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def request_id_of(record: logging.LogRecord) -> str:
    """Return the server's own id of the request that a record is about, or was written in; "" for none."""
    request = getattr(record, "request", None)  # Django logs some answers when nothing answers the request any more
    return getattr(request, "correlation_id", "") or answered_request.get()


def message_of(record: logging.LogRecord) -> str:
    """Return the message in one line, cut where it is too long."""
    message = one_line(record.getMessage())
    return f"{message[:LONGEST]}…" if len(message) > LONGEST else message


def traceback_of(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    """Return the traceback, masked, in lines; "" where there is none."""
    return mask(formatter.formatException(record.exc_info)) if record.exc_info else ""


def _escaped(text: str) -> str:
    return text.encode("unicode_escape").decode("ascii")


def one_line(text: str) -> str:
    """Return `text` with everything escaped that ends a line, moves a cursor or turns the direction of writing."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


class MaskedExceptionReporter(ExceptionReporter):
    """Django's report of an exception, masked as a whole, and without what variables held.

    Values and nonces can hide in a message or in any frame, whatever the decorators on its function say.
    """

    def get_traceback_frames(self) -> list[dict[str, Any]]:
        return [{**frame, "vars": []} for frame in super().get_traceback_frames()]

    def get_traceback_html(self) -> SafeString:
        return SafeString(mask(super().get_traceback_html()))  # nosec B703  # masking adds no markup

    def get_traceback_text(self) -> SafeString:
        return SafeString(mask(super().get_traceback_text()))  # nosec B703  # masking adds no markup
