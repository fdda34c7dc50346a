"""The console's settings, with data in a folder that goes away with the test run."""

import atexit
import os
import shutil
import tempfile

from tests.databases import SERVER

_data = tempfile.mkdtemp(prefix="apikeys-tests-")
atexit.register(shutil.rmtree, _data, ignore_errors=True)
for _name in [name for name in os.environ if name.startswith(("APIKEYS_", "CONSOLE_"))]:
    del os.environ[_name]
os.environ |= {"DATA_DIR": _data, "HOST": "127.0.0.1", "HTTPS": "false", "DEBUG": "false"}
os.environ["DATABASE_URL"] = f"{SERVER}/console" if SERVER else ""

from console.settings import *  # noqa: E402, F403

# No manifest: the fast tests do not collect static files; the browser tests run the real server, which does.
STORAGES = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
BAD_VALUES_PER_MINUTE = 1_000_000  # which no test reaches by accident: they share a process
if not SERVER:
    # Many threads at once on a busy machine: who waits for a turn to write waits for the processor, too.
    DATABASES["default"]["OPTIONS"]["timeout"] = 30  # noqa: F405
