"""A Django project for one peer, as its documentation says, in an environment of the peers' own.

PEER names it. It has what makes it quick: no middleware, connections that last, SQLite with a write-ahead log.
"""

import os

PEER = os.environ["PEER"]
SECRET_KEY = "of a project that holds nothing"  # noqa: S105
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "urls"
USE_TZ = True
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "rest_framework",
    {"drf-api-key": "rest_framework_api_key", "knox": "knox"}[PEER],
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
if port := os.environ.get("PEER_PORT_OF_POSTGRESQL"):
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": "127.0.0.1",
            "PORT": port,
            "NAME": os.environ["PEER_DATABASE"],
            "USER": os.environ["PGUSER"],
            "PASSWORD": os.environ["PGPASSWORD"],
            "CONN_MAX_AGE": None,
        }
    }
else:
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.environ["PEER_DATABASE"],
            "OPTIONS": {"init_command": "PRAGMA journal_mode=WAL; PRAGMA cache_size=-16000"},
            "CONN_MAX_AGE": None,
        }
    }
