"""Forms about webhooks; what one may be is checked once, in changes.py."""

from datetime import datetime
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apikeys.audit.catalogue import EventKind
from apikeys.services.activity import KINDS
from console.webhooks.changes import Draft, url_of
from console.webhooks.models import Webhook


class WebhookForm(forms.Form):
    """A new webhook, or what is to change of one."""

    name = forms.CharField(label=_("Name"), required=False, strip=False)
    url = forms.CharField(
        label=_("Address"),
        help_text=_("Where messages are posted to, such as https://example.com/hooks."),
        required=False,
        strip=False,
    )
    kinds = forms.MultipleChoiceField(label=_("Events"), choices=KINDS, required=False)
    enabled = forms.BooleanField(label=_("Enabled"), required=False)

    @classmethod
    def of(cls, webhook: Webhook) -> dict[str, Any]:
        """Return what the form begins with: what a webhook is."""
        kept = {"name": webhook.name, "kinds": webhook.kinds, "enabled": webhook.enabled}
        return kept | {"url": url_of(webhook)}

    def boxes(self) -> list[tuple[str, Any, bool]]:
        """Return each kind of events with its words, and whether it is ticked."""
        ticked = self["kinds"].value() or []
        return [(kind, words, kind in ticked) for kind, words in KINDS.items()]

    def draft(self, *, enabled: bool | None = None) -> Draft:
        """Return what the webhook is to be, once the form is valid."""
        told = self.cleaned_data
        kinds = tuple(EventKind(kind) for kind in told["kinds"])
        return Draft(told["name"], told["url"], kinds, told["enabled"] if enabled is None else enabled)


class SecretForm(forms.Form):
    at_once = forms.BooleanField(label=_("The present secret stops signing at once"), required=False)


class SinceForm(forms.Form):
    since = forms.DateTimeField(label=_("Since"))

    def clean_since(self) -> datetime:
        """Return the moment, which has been."""
        since: datetime = self.cleaned_data["since"]
        if since > timezone.now():
            raise forms.ValidationError(_("Choose a moment that has been."))
        return since
