"""What is kept of second factors: nothing that opens a door to whoever has a copy of the database."""

from django.conf import settings
from django.db import models
from django.utils import timezone


class Authenticator(models.Model):
    """The authenticator app of a person: its secret, sealed, and the last step of 30 seconds whose code was used."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="authenticator"
    )
    sealed = models.BinaryField()
    last_step = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"authenticator app of {self.user_id}"


class RecoveryCode(models.Model):
    """A code that works once in place of an app; its row is deleted when it is used."""

    digest = models.CharField(primary_key=True, max_length=64)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="recovery_codes")
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"recovery code of {self.user_id}"


class Passcode(models.Model):
    """A one-time passcode with which somebody logs in to the command line; its row is deleted when it is used."""

    digest = models.CharField(primary_key=True, max_length=64)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="passcodes")
    ends_at = models.DateTimeField(db_index=True)
    # The stored key of the session that made it; NULL in a row that the release before wrote.
    session = models.CharField(max_length=40, null=True)  # noqa: DJ001

    def __str__(self) -> str:
        return f"passcode of {self.user_id}"


class Passkey(models.Model):
    """A passkey of a person: the public key, and the SHA-256 of the credential's ID, by which it is found."""

    digest = models.CharField(primary_key=True, max_length=64)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="passkeys")
    name = models.CharField(max_length=60)
    credential = models.BinaryField()  # ID and public key, as authenticators write them
    sign_count = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    last_used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.name
