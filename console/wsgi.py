"""The WSGI application; it refuses to load where stored keys could not be verified."""

import os
import sys

from django.core.checks import run_checks
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")

application = get_wsgi_application()

if errors := run_checks(databases=["default"], tags=["database"]):
    sys.exit("\n".join(str(error) for error in errors))
