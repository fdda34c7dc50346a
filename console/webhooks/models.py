"""What is kept of webhooks: nothing in clear that signs, or that whoever has a copy of the database could send to."""

import uuid
from datetime import datetime, timedelta

from django.db import models
from django.utils import timezone

BROKEN_AFTER = timedelta(days=1)


class Webhook(models.Model):
    """A receiver: where it is, of what it is told, and up to which place of the chain it has been told."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    name = models.CharField(max_length=60)
    host = models.CharField(max_length=260)  # with its port, where that is another one than usual
    sealed_url = models.BinaryField()  # some have a secret in their path
    kinds = models.JSONField(default=list)  # of events, as apikeys/audit/catalogue.py calls them; [] for all
    enabled = models.BooleanField(default=True)
    sealed_secret = models.BinaryField()
    sealed_previous = models.BinaryField(null=True)  # the secret before, which signs too
    previous_until = models.DateTimeField(null=True)
    after_place = models.PositiveBigIntegerField(default=0)
    failing_since = models.DateTimeField(null=True)  # since when no delivery arrived
    created_by = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["after_place"], condition=models.Q(enabled=True), name="webhook_enabled")]

    def __str__(self) -> str:
        return self.name

    @property
    def is_broken(self) -> bool:
        """Whether nothing has arrived for so long that somebody must look after it."""
        return self.failing_since is not None and self.failing_since < timezone.now() - BROKEN_AFTER

    def has_previous(self, now: datetime) -> bool:
        """Tell whether the secret before the present one still signs."""
        return self.sealed_previous is not None and self.previous_until is not None and now < self.previous_until
