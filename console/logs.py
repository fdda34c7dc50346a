"""Log lines and error reports in which nothing that looks like a key's value or a token survives."""

import logging
from datetime import UTC, datetime

from django.utils.safestring import SafeString
from django.views.debug import ExceptionReporter

from apikeys.values import mask


class MaskFilter(logging.Filter):
    """Masks the message after its arguments were filled in."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = mask(record.getMessage()), None
        return True


class LineFormatter(logging.Formatter):
    """One line a record, UTC first; line breaks inside a message are escaped, tracebacks masked."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        message = record.getMessage().encode("unicode_escape").decode() if _breaks(record) else record.getMessage()
        line = f"{time} {record.levelname} {record.name}: {message}"
        if record.exc_info:
            line += "\n" + mask(self.formatException(record.exc_info))
        return line


def _breaks(record: logging.LogRecord) -> bool:
    return any(ord(character) < 32 for character in record.getMessage())


class MaskedExceptionReporter(ExceptionReporter):
    """Django's report of an exception, masked as a whole: values can hide in messages, whatever decorators say."""

    def get_traceback_html(self) -> SafeString:
        return SafeString(mask(super().get_traceback_html()))

    def get_traceback_text(self) -> SafeString:
        return SafeString(mask(super().get_traceback_text()))
