"""People, the account they belong to, their sessions and password links, and the counters that slow down guessing."""

import secrets
import string
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.contrib.sessions.base_session import AbstractBaseSession
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from apikeys import zones
from apikeys.clocks import CLOCK_SET_BACK
from apikeys.exceptions import InvalidApiKey
from apikeys.services.validation import clean_description
from console import administrators
from console.factors.models import Authenticator, Passcode, Passkey, RecoveryCode
from console.mails.models import MailBundle, MailCursor, MailRefusal
from console.outbox.models import Delivery
from console.sessions import SessionStore
from console.single_sign_on.models import ProviderIdentity
from console.webhooks.models import Webhook

__all__ = [
    "Account",
    "Authenticator",
    "Delivery",
    "LoginCounter",
    "MailBundle",
    "MailCursor",
    "MailRefusal",
    "Passcode",
    "Passkey",
    "PasswordLink",
    "ProviderIdentity",
    "RecoveryCode",
    "User",
    "Webhook",
]

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

    # Of mails; blank for nothing known. A release before this column writes rows without it.
    language = models.CharField(max_length=16, blank=True, default="", db_default="", editable=False)

    # Which mails somebody chose, and chose not, by kind; null for nothing chosen.
    mail_choices = models.JSONField(null=True, blank=True, editable=False)

    # Where the rules leave it to some. A release before this column writes rows without it.
    may_create_keys = models.BooleanField(_("May create API keys"), default=True, db_default=True)

    # Another one ends all sessions, as another password does. A release before this column writes rows without it.
    sessions_mark = models.CharField(max_length=32, blank=True, default="", db_default="", editable=False)

    def __str__(self) -> str:
        return self.get_full_name() or self.username

    @property
    def has_second_factor(self) -> bool:
        """Whether a password alone is not enough to log in."""
        return any(kept.objects.filter(user=self).exists() for kept in (Authenticator, Passkey))

    @property
    def must_have_second_factor(self) -> bool:
        """Whether SECOND_FACTOR demands one of this person."""
        demanded = str(settings.SECOND_FACTOR)
        return demanded == "everybody" or (demanded == "administrators" and self.is_superuser)

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """Return what sessions hold of the password, and of the mark: without one it is Django's."""
        salt = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash"
        return salted_hmac(salt, self.password + self.sessions_mark, secret=secret, algorithm="sha256").hexdigest()

    def set_hashed_password(self, encoded: str) -> None:
        """Set another password, as `set_password` does, that was hashed before rows were locked."""
        self.password, self._password = encoded, ""

    def locked(self) -> "User | None":
        """Return the person as they are now, whose row is locked until the transaction ends; None where they are gone.

        Others can still add what is theirs.
        """
        return User.objects.select_for_update(no_key=True).filter(pk=self.pk).first()

    def locked_unchanged(self) -> "User | None":
        """Return the same; None also where their password changed, or all their sessions ended, since this was read."""
        found = self.locked()
        return found if found and found.get_session_auth_hash() == self.get_session_auth_hash() else None

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
        has_another_password = self._password is not None
        with transaction.atomic():
            administrators.check_change(self, kwargs.get("update_fields"))
            super().save(*args, **kwargs)
            if has_another_password:
                self.password_links.all().delete()
            written = kwargs.get("update_fields") or ()
            if has_another_password or not {"password", "sessions_mark"}.isdisjoint(written):
                self.passcodes.all().delete()
            if has_another_password or "sessions_mark" in written:
                Session.objects.filter(user_id=self.pk).delete()  # the one that asked is given another key


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


class LoginStreak(models.Model):
    """Attempts in a row without a success, over all addresses; `subject` is a keyed hash as in LoginCounter."""

    subject = models.CharField(primary_key=True, max_length=64)
    attempts = models.PositiveIntegerField()
    next_at = models.DateTimeField()  # no further one is looked at before
    ends_at = models.DateTimeField(db_index=True)  # when they are forgotten

    def __str__(self) -> str:
        return self.subject


class LoginCounter(models.Model):
    """Attempts in one window of time; `subject` is a keyed hash of what is counted, see console/log_in/limiter.py."""

    subject = models.CharField(primary_key=True, max_length=64)
    attempts = models.PositiveIntegerField()
    ends_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.subject


class Session(AbstractBaseSession):
    """A session of a browser: whose it is, when it began, and when and from where it was used last.

    The table and its first columns are Django's, the others a migration of the console adds by hand. They are NULL in a
    row that the release before wrote, until its next request.
    """

    # No foreign key: the release before, which knows none, would be refused to delete a person.
    user_id = models.BigIntegerField(null=True)
    began_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)
    address = models.CharField(max_length=45, null=True)  # noqa: DJ001
    agent = models.CharField(max_length=255, null=True)  # noqa: DJ001

    class Meta(AbstractBaseSession.Meta):
        managed = False
        db_table = "django_session"

    def __str__(self) -> str:
        return f"session of {self.user_id}"

    @classmethod
    def get_session_store_class(cls) -> type[SessionStore]:
        return SessionStore

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Write a new row as a whole; of one that is there not what each use changes."""
        if kwargs.get("force_update"):
            kwargs["update_fields"] = ("session_data", "expire_date", "user_id", "began_at")
        super().save(*args, **kwargs)

    def lives_at(self, now: datetime, used_at: datetime | None = None) -> bool:
        """Tell whether neither limit has ended it, as the settings are; what is from a day ahead or more has ended.

        `used_at` is a use that could not be written.
        """
        latest = now + CLOCK_SET_BACK
        if not now < self.expire_date <= latest + timedelta(seconds=settings.SESSION_COOKIE_AGE):
            return False
        if self.began_at and now >= self.began_at + timedelta(seconds=settings.SESSION_COOKIE_AGE):
            return False
        if self.last_used_at is None:
            return True
        return now - settings.SESSION_IDLE < max(self.last_used_at, used_at or self.last_used_at) <= latest
