"""The WSGI application; it refuses to load where stored keys could not be verified."""

import os
import sys

from django.core.checks import run_checks
from django.core.wsgi import get_wsgi_application

from apikeys import core_dumps

core_dumps.forbid()  # also under another server than `manage.py serve`, and in workers that are not forked
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")

application = get_wsgi_application()

if errors := run_checks(databases=["default"], tags=["database"]):
    sys.exit("\n".join(str(error) for error in errors))
