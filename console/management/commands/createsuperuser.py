"""Django's createsuperuser, which would take any password from DJANGO_SUPERUSER_PASSWORD."""

import os
from typing import Any

from django.contrib.auth.management.commands import createsuperuser
from django.core.exceptions import ValidationError
from django.core.management import CommandError
from django.views.decorators.debug import sensitive_variables

from console.log_in import passwords
from console.models import User


class Command(createsuperuser.Command):
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
