"""What the app sets up when Django starts."""

from django.apps import AppConfig
from django.conf import settings
from django.contrib.auth.signals import user_logged_out
from django.core import checks
from django.db.models.signals import post_delete, post_migrate


class ApiKeysConfig(AppConfig):
    name = "apikeys"
    verbose_name = "API keys"

    def ready(self) -> None:
        from apikeys.identity import peppers
        from apikeys.services import signals

        checks.register(peppers.check_peppers, checks.Tags.database)
        post_migrate.connect(peppers.save_fingerprints, sender=self)
        user_logged_out.connect(signals.forget_iam_login)
        post_delete.connect(signals.delete_keys_of_deleted_user, sender=settings.AUTH_USER_MODEL)
