"""`manage.py check --deploy` with HTTPS=true and either store, and no model change without its migration."""

import os
import subprocess
import sys
import tempfile


def main() -> None:
    with tempfile.TemporaryDirectory() as data_dir:
        environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "console.settings",
            "DATA_DIR": data_dir,
            "DATABASE_URL": "",
            "DEBUG": "false",
            "HTTPS": "true",
            "ALLOWED_HOSTS": "console.example.com",
        }
        deployment = ["check", "--deploy", "--fail-level", "WARNING"]
        for command, backend in (
            (deployment, "embedded"),
            (deployment, "ibm-cloud"),
            (["makemigrations", "--check", "--dry-run"], "embedded"),
        ):
            subprocess.run(
                [sys.executable, "manage.py", *command], env=environment | {"APIKEYS_BACKEND": backend}, check=True
            )


if __name__ == "__main__":
    main()
