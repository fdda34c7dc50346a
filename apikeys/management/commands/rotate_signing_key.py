"""Makes a new key for signing access tokens; valid tokens stay valid."""

import secrets
from typing import Any

from django.core.management import BaseCommand

from apikeys import audit
from apikeys.domain import Caller
from apikeys.identity import signing


class Command(BaseCommand):
    help = (
        "Publish a new key for signing access tokens. It begins to sign ten minutes later, when verifiers know it; "
        "tokens signed before stay valid until they run out."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        record = signing.rotate(Caller(audit.NOBODY, agent="manage.py", correlation_id=secrets.token_hex(16)))
        self.stdout.write(
            f"{record.kid} ({record.algorithm}) is published, and signs new access tokens from "
            f"{record.signs_from:%Y-%m-%d %H:%M:%S} UTC on."
        )
