"""People, the account they belong to, and the counters that slow down guessing."""

import secrets
import string
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apikeys import zones
from apikeys.exceptions import InvalidApiKey
from apikeys.services.validation import clean_description
from console.people import administrators

LINK_LIFETIME = timedelta(days=1)
IAM_ID_ALPHABET = string.ascii_uppercase + string.digits


def new_iam_id() -> str:
    """Return `IBMid-` and 10 upper-case letters and digits, the form IBM's clients take for a person."""
    return "IBMid-" + "".join(secrets.choice(IAM_ID_ALPHABET) for _ in range(10))


def new_account_id() -> str:
    return secrets.token_hex(16)


def validate_time_zone(name: str) -> None:
    """Raise ValidationError for what is not the IANA name of a time zone."""
    if not zones.is_known(name):
        raise ValidationError(_("This is not the name of a time zone. Choose one from the list."))


def only_account() -> str:
    """Return the id of this installation's account, made with its first user."""
    account = Account.objects.order_by("created_at").first() or Account.objects.create()
    return account.id


class Account(models.Model):
    id = models.CharField(primary_key=True, max_length=32, default=new_account_id)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.id


class User(AbstractUser):
    """A person. The user ID is `username`; `iam_id` is the same person to programs and never changes."""

    iam_id = models.CharField(_("IAM ID"), max_length=64, unique=True, default=new_iam_id, editable=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, editable=False)
    # Whose times pages show; blank for nothing chosen. A release before this column writes rows without it.
    time_zone = models.CharField(
        _("Time zone"), max_length=64, blank=True, default="", db_default="", validators=[validate_time_zone]
    )

    # Where the rules leave it to some. A release before this column writes rows without it.
    may_create_keys = models.BooleanField(_("May create API keys"), default=True, db_default=True)

    def __str__(self) -> str:
        return self.get_full_name() or self.username

    def suggest_time_zone(self, name: str) -> None:
        """Keep the time zone that a browser names, where it is one and the person has chosen none."""
        if not self.time_zone and zones.is_known(name):
            User.objects.filter(pk=self.pk, time_zone="").update(time_zone=name)

    def clean(self) -> None:
        """Refuse names that turn the direction of what stands beside them. Raises ValidationError."""
        super().clean()
        for field in ("first_name", "last_name"):
            try:
                clean_description(getattr(self, field))
            except InvalidApiKey as exc:
                raise ValidationError({field: ValidationError(_(exc.message), params=exc.params)}) from None

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.account_id is None:
            self.account_id = only_account()
        # Set where a password was chosen, and not where the same one is only hashed anew.
        has_another_password = self._password is not None  # type: ignore[attr-defined]
        with transaction.atomic():
            administrators.check_change(self, kwargs.get("update_fields"))
            super().save(*args, **kwargs)
            if has_another_password:
                self.password_links.all().delete()


def link_end() -> datetime:
    """Return until when a link to choose a password that is made now can be used."""
    return timezone.now() + LINK_LIFETIME


class PasswordLink(models.Model):
    """A link by which a person chooses a password, once; of its token only the SHA-256 is kept."""

    digest = models.CharField(primary_key=True, max_length=64)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="password_links")
    made_by = models.CharField(max_length=64)  # IAM ID; empty for an operator
    created_at = models.DateTimeField(default=timezone.now)
    ends_at = models.DateTimeField(default=link_end, db_index=True)
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"password link of {self.user_id}"


class LoginCounter(models.Model):
    """Attempts in one window of time; `subject` is a keyed hash of what is counted, see console/log_in/limiter.py."""

    subject = models.CharField(primary_key=True, max_length=64)
    attempts = models.PositiveIntegerField()
    ends_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.subject
