"""What is kept of mails: what waits to be told, how far events and keys were looked through, refused addresses."""

from django.db import models
from django.db.models import Q
from django.utils import timezone


class MailCursor(models.Model):
    """How far something was looked through: events by their place in the chain, keys by when they expire."""

    name = models.CharField(primary_key=True, max_length=16)
    place = models.PositiveBigIntegerField(default=0)
    at = models.DateTimeField(default=timezone.now)
    key_id = models.CharField(max_length=43, blank=True)

    def __str__(self) -> str:
        return self.name


class MailBundle(models.Model):
    """What the next mail of one kind to one person tells: references only, and how many there are beyond them.

    Without any it says when the last such mail was sent.
    """

    person = models.CharField(max_length=64)  # IAM ID
    kind = models.CharField(max_length=16)
    lines = models.JSONField(default=list)
    count = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["person", "kind"], name="one_mail_bundle_per_kind")]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="mail_bundles_due"),
            models.Index(fields=["sent_at"], condition=Q(due_at__isnull=True), name="mail_bundles_sent"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} to {self.person}"


class MailRefusal(models.Model):
    """An address that a mail server refused for good: whose, and its answer's code."""

    person = models.CharField(primary_key=True, max_length=64)  # IAM ID
    address = models.CharField(max_length=254)
    code = models.PositiveSmallIntegerField()
    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.code} for {self.person}"
