#!/usr/bin/env python3
"""Django's command line for this project."""

import os
import sys

from apikeys import core_dumps


def main() -> None:
    core_dumps.forbid()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")
    try:
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line
        from django.db import OperationalError
    except ImportError:
        sys.exit("Django is not installed in this environment. Use `make run`, which sets everything up.")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as exc:
        sys.exit(f"The console does not start. {exc}")
    except OperationalError as exc:
        from apikeys.storage.errors import first_line

        sys.exit(f"The database can't be used: {first_line(exc)}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
