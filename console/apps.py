"""The project as an app of its own: people, sessions, log-in."""

from django.apps import AppConfig
from django.conf import settings
from django.contrib.auth.signals import user_logged_in
from django.db.models.signals import pre_delete


class ConsoleConfig(AppConfig):
    name = "console"

    def ready(self) -> None:
        from console import administrators
        from console.log_in import events
        from console.mails import kinds, languages

        events.connect()
        kinds.name_in_activity()
        user_logged_in.connect(languages.keep_at_log_in)
        pre_delete.connect(administrators.check_deletion, sender=settings.AUTH_USER_MODEL)
