"""Who at a provider is who here: issuer and subject, the two that OpenID Connect promises never to give to another."""

from django.conf import settings
from django.db import models
from django.utils import timezone


class ProviderIdentity(models.Model):
    """Somebody whom a provider knows, and the person here whom they log in as."""

    issuer = models.CharField(max_length=255)
    subject = models.CharField(max_length=255)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="provider_identities")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["issuer", "subject"], name="provider_identity_is_one_persons"),
            models.UniqueConstraint(fields=["issuer", "user"], name="person_has_one_identity_of_a_provider"),
        ]

    def __str__(self) -> str:
        return f"identity of {self.user_id}"
