"""What the app sets up when Django starts."""

from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.contrib.auth.signals import user_logged_out
from django.core import checks
from django.db import connections
from django.db.models.signals import post_delete, post_migrate


def ensure_text_index(using: str = "default", **_kwargs: Any) -> None:
    """Make the index of searches where it is missing: a migration that remakes the table of keys drops its triggers."""
    from apikeys.storage import text_index

    text_index.ensure(connections[using])


class ApiKeysConfig(AppConfig):
    name = "apikeys"
    verbose_name = "API keys"

    def ready(self) -> None:
        from apikeys.audit import chain
        from apikeys.identity import peppers
        from apikeys.services import signals

        checks.register(peppers.check_peppers, checks.Tags.database)
        post_migrate.connect(peppers.save_fingerprints, sender=self)
        post_migrate.connect(chain.begin, sender=self)
        post_migrate.connect(ensure_text_index, sender=self)
        user_logged_out.connect(signals.forget_iam_login)
        post_delete.connect(signals.delete_keys_of_deleted_user, sender=settings.AUTH_USER_MODEL)
