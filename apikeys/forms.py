"""The two forms of the page. What a name may be is the services' knowledge, asked here to say it beside the field."""

import secrets
from collections.abc import Callable
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from apikeys import services
from apikeys.exceptions import InvalidApiKey
from apikeys.middleware import sentence

NONCE_BYTES = 24  # 192 random bits


def new_nonce() -> str:
    return secrets.token_urlsafe(NONCE_BYTES)


class CheckedField(forms.CharField):
    """Text that a function of the services accepts or refuses."""

    def __init__(self, check: Callable[[str], str], **kwargs: Any) -> None:
        self.check = check
        super().__init__(required=False, strip=False, **kwargs)
        self.validators = []  # the check says what control characters are called in a sentence of its own

    def clean(self, value: Any) -> str:
        try:
            return self.check(super().clean(value))
        except InvalidApiKey as exc:
            raise forms.ValidationError(sentence(exc)) from None


class OpaqueField(forms.CharField):
    """A hidden value that only the services understand."""

    def __init__(self) -> None:
        super().__init__(required=False, strip=False, widget=forms.HiddenInput)
        self.validators = []


def one_paragraph(text: str) -> str:
    """Return a description whose line breaks and tabs are spaces: descriptions have no control characters."""
    return services.clean_description(" ".join(text.replace("\t", " ").splitlines()))


class ApiKeyForm(forms.Form):
    name = CheckedField(services.clean_name, label=_("Name"))
    description = CheckedField(one_paragraph, label=_("Description"))

    def replace(self, field: str, text: str) -> None:
        """Show `text` in a field instead of what was sent."""
        self.data = {**{name: self.data.get(name) for name in self.fields}, field: text}


class CreateForm(ApiKeyForm):
    nonce = OpaqueField()


class EditForm(ApiKeyForm):
    entity_tag = OpaqueField()
