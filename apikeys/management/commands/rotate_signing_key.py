"""Makes a new key for signing access tokens; valid tokens stay valid."""

from typing import Any

from django.core.management import BaseCommand

from apikeys import signing


class Command(BaseCommand):
    help = "Sign access tokens with a new key from now on; tokens signed before stay valid until they run out."

    def handle(self, *args: Any, **options: Any) -> None:
        record = signing.rotate()
        self.stdout.write(f"New access tokens are signed with {record.kid} ({record.algorithm}).")
