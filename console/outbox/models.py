"""What is kept of deliveries."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone


class State(models.TextChoices):
    """How far a delivery has come; one that is being sent is still waiting, with a lease."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


class Delivery(models.Model):
    """One message to one recipient. Its payload has no value of a key and no secret."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    kind = models.CharField(max_length=16)  # which sender sends it
    recipient = models.CharField(max_length=64)  # whom its kind knows by this
    message_id = models.CharField(max_length=64)  # the same however often a message is sent, also when it is replayed
    topic = models.CharField(max_length=64)  # what it tells, for lists
    payload = models.TextField()
    state = models.CharField(max_length=9, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)  # that have ended
    next_attempt_at = models.DateTimeField(default=timezone.now)
    leased_until = models.DateTimeField(null=True)  # by the process that sends it
    result = models.CharField(max_length=64, blank=True)  # of the last attempt, a code of its sender
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["next_attempt_at"], condition=Q(state="waiting"), name="delivery_waiting"),
            models.Index(fields=["created_at"], condition=Q(state="waiting"), name="delivery_waiting_since"),
            models.Index(fields=["finished_at"], condition=Q(finished_at__isnull=False), name="delivery_finished"),
            models.Index(fields=["recipient", "created_at"], name="delivery_by_recipient"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} to {self.recipient}: {self.topic}"
