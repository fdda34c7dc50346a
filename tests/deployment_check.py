"""`manage.py check --deploy` with HTTPS=true, and no model change without its migration."""

import os
import subprocess
import sys
import tempfile


def main() -> None:
    with tempfile.TemporaryDirectory() as data_dir:
        environment = os.environ | {
            "DATA_DIR": data_dir,
            "HTTPS": "true",
            "ALLOWED_HOSTS": "console.example.com",
        }
        for command in (
            ["check", "--deploy", "--fail-level", "WARNING"],
            ["makemigrations", "--check", "--dry-run"],
        ):
            subprocess.run([sys.executable, "manage.py", *command], env=environment, check=True)


if __name__ == "__main__":
    main()
