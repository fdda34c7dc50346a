"""Log lines and error reports in which nothing that looks like a key's value or a token survives."""

import logging
from datetime import UTC, datetime
from typing import Any

from django.utils.safestring import SafeString
from django.views.debug import ExceptionReporter

from apikeys.api.errors import UNREADABLE
from apikeys.storage.errors import fault_of, first_line
from apikeys.values import mask, mask_path, mask_sent

LONGEST = 4_000  # characters of a message: a client chooses how long an address is


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
    """One line a record, UTC first; line breaks inside a message are escaped, tracebacks masked."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        message = one_line(record.getMessage())
        if len(message) > LONGEST:
            message = f"{message[:LONGEST]}…"
        line = f"{time} {record.levelname} {record.name}: {message}"
        if record.exc_info:
            line += "\n" + mask(self.formatException(record.exc_info))
        return line


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
