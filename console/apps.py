"""The project as an app of its own: people, sessions, log-in."""

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    name = "console"
