"""Django's createsuperuser, which would take any password from DJANGO_SUPERUSER_PASSWORD, and the user ID of others."""

import os
from typing import Any

from django.contrib.auth.management.commands import createsuperuser
from django.core.exceptions import ValidationError
from django.core.management import CommandError
from django.views.decorators.debug import sensitive_variables

from console.log_in import passwords
from console.models import User
from console.people.changes import TAKEN, is_taken


class Command(createsuperuser.Command):
    def _validate_username(self, username: str, verbose_field_name: str, database: str) -> str | None:
        """Return why nobody can have a user ID, asked for or given."""
        problem: str | None = super()._validate_username(username, verbose_field_name, database)  # type: ignore[misc]
        return problem or (f"Error: {TAKEN}" if is_taken(username) else None)

    @sensitive_variables("password")
    def handle(self, *args: Any, **options: Any) -> None:
        password = os.environ.get("DJANGO_SUPERUSER_PASSWORD")
        if password is not None and not options["interactive"]:
            username = options["username"] or os.environ.get("DJANGO_SUPERUSER_USERNAME", "")
            try:
                passwords.check(password, User(username=username, email=options["email"] or ""))
            except ValidationError as exc:
                raise CommandError(f"DJANGO_SUPERUSER_PASSWORD: {exc.messages[0]}") from None
        super().handle(*args, **options)
