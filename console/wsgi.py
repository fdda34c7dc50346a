"""The WSGI application, and what each server process does beside answering."""

import os
import resource
import sys

from django.core.checks import run_checks
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")

application = get_wsgi_application()

if errors := run_checks(databases=["default"], tags=["database"]):
    sys.exit("\n".join(str(error) for error in errors))

resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold values

from apikeys import sweeper  # noqa: E402  (its models need the application)

sweeper.start()
