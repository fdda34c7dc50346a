"""The WSGI application; it refuses to load where stored keys could not be verified."""

import io
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings
from django.core.checks import run_checks
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")

CHUNK = 16 * 1024

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def measured(application: Application) -> Application:
    """Return the application behind a reader of bodies that come in chunks: Django reads what has a length.

    Of a body that is too large just so much is read that its length is refused.
    """

    def wrapper(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if "CONTENT_LENGTH" not in environ and "HTTP_TRANSFER_ENCODING" in environ:
            body = bytearray()
            while len(body) <= settings.DATA_UPLOAD_MAX_MEMORY_SIZE and (read := environ["wsgi.input"].read(CHUNK)):
                body += read
            environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        return application(environ, start_response)

    return wrapper


application = measured(get_wsgi_application())

if errors := run_checks(databases=["default"], tags=["database"]):
    sys.exit("\n".join(str(error) for error in errors))
