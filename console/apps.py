"""The project as an app of its own: people, sessions, log-in."""

from django.apps import AppConfig
from django.conf import settings
from django.db.models.signals import pre_delete


class ConsoleConfig(AppConfig):
    name = "console"

    def ready(self) -> None:
        from console.log_in import events
        from console.people import administrators

        events.connect()

        pre_delete.connect(administrators.check_deletion, sender=settings.AUTH_USER_MODEL)
