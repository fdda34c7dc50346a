"""The forms that create and edit a key. The rules are in services/validation.py; a form applies them field by field."""

import secrets
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apikeys.domain import UNSET, ApiKeyChanges, ApiKeyDraft, LeakedAction
from apikeys.exceptions import InvalidApiKey
from apikeys.services.delivery import Delivery
from apikeys.services.messages import sentence
from apikeys.services.validation import clean_description, clean_name

NONCE_BYTES = 24  # 192 random bits
ON_DATE = "date"
NEVER = "never"
UNCHANGED = ""
EXPIRIES = [
    ("", _("Does not expire")),
    ("30", _("In 30 days")),
    ("90", _("In 90 days")),
    ("365", _("In 1 year")),
    (ON_DATE, _("On a date…")),
]
LEAKED_ACTIONS = {
    LeakedAction.NONE: _("Only mark it"),
    LeakedAction.DISABLE: _("Disable it at once"),
    LeakedAction.DELETE: _("Delete it at once"),
}


def new_nonce() -> str:
    return secrets.token_urlsafe(NONCE_BYTES)


class ValidatedField(forms.CharField):
    """Text that `validate_text` returns cleaned, or refuses by InvalidApiKey."""

    def __init__(self, validate_text: Callable[[str], str], **kwargs: Any) -> None:
        self.validate_text = validate_text
        super().__init__(required=False, strip=False, **kwargs)
        self.validators = []  # Django would refuse NUL first, and in other words than all control characters

    def clean(self, value: Any) -> str:
        try:
            return self.validate_text(super().clean(value))
        except InvalidApiKey as exc:
            raise forms.ValidationError(sentence(exc)) from None


class OpaqueField(forms.CharField):
    """A hidden value that only the services understand."""

    def __init__(self) -> None:
        super().__init__(required=False, strip=False, widget=forms.HiddenInput)
        self.validators = []


def one_paragraph(text: str) -> str:
    """Return a description whose line breaks and tabs are spaces: descriptions have no control characters."""
    return clean_description(" ".join(text.replace("\t", " ").splitlines()))


class ApiKeyForm(forms.Form):
    name = ValidatedField(clean_name, label=_("Name"))
    description = ValidatedField(one_paragraph, label=_("Description"))

    def replace(self, field: str, text: str) -> None:
        """Show `text` in a field instead of what was sent."""
        self.data = {**{name: self.data.get(name) for name in self.fields}, field: text}


class ExpiringForm(ApiKeyForm):
    """`expires_at()` is the end that was chosen, None for none, once the form is valid."""

    expires = forms.ChoiceField(label=_("Expiration"), choices=EXPIRIES, required=False)
    expires_on = forms.DateField(
        label=_("Expires at the end of this date (UTC)"),
        required=False,
        input_formats=["%Y-%m-%d"],
        error_messages={"invalid": _("Enter a date like 2030-01-31.")},
    )

    def clean(self) -> dict[str, Any]:
        fields = super().clean() or self.cleaned_data
        if fields.get("expires") != ON_DATE:
            self.errors.pop("expires_on", None)  # a date that nobody chose is not asked for, nor shown
        elif "expires_on" not in self.errors:
            day = fields.get("expires_on")
            if day is None:
                self.add_error("expires_on", _("Choose a date."))
            elif end_of_day(day) <= timezone.now():
                self.add_error("expires_on", _("This date is in the past. Choose a later one."))
        return fields

    def expires_at(self) -> datetime | None:
        choice = self.cleaned_data["expires"]
        if choice == ON_DATE:
            return end_of_day(self.cleaned_data["expires_on"])
        return timezone.now() + timedelta(days=int(choice)) if choice.isdecimal() else None


class CreateForm(ExpiringForm):
    """`draft()` is what the form asks for, and `cleaned_data["delivery"]` its hand-over, once it is valid.

    `iam_id` is the person, `account_id` the account whose keys are managed now.
    """

    action_when_leaked = forms.ChoiceField(label=_("If the key leaks"), choices=LEAKED_ACTIONS, required=False)
    nonce = OpaqueField()
    account = OpaqueField()  # which was chosen when the form was opened

    def __init__(self, *args: Any, iam_id: str = "", account_id: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.iam_id, self.account_id = iam_id, account_id

    def clean(self) -> dict[str, Any]:
        """Refuse a form that can create no key, or none where it was meant; the form that is shown again can."""
        fields = super().clean()
        try:
            fields["delivery"] = Delivery(self.iam_id, fields["nonce"])
        except InvalidApiKey as exc:
            self.add_error(None, sentence(exc))
            self.replace("nonce", new_nonce())
        if fields["account"] not in ("", self.account_id):
            self.add_error(
                None,
                _("You chose another account after you opened this form. Check the account, then send the form again."),
            )
            self.replace("account", self.account_id)
        return fields

    def draft(self) -> ApiKeyDraft:
        fields = self.cleaned_data
        action = fields["action_when_leaked"]
        return ApiKeyDraft(
            name=fields["name"],
            description=fields["description"],
            expires_at=self.expires_at(),
            action_when_leaked=LeakedAction(action) if action else None,
        )


class EditForm(ExpiringForm):
    """`changes()` is what the form asks for, once it is valid; its expiration stays unless another one is chosen."""

    expires = forms.ChoiceField(
        label=_("Expiration"),
        choices=[(UNCHANGED, _("No change")), (NEVER, _("Does not expire")), *EXPIRIES[1:]],
        required=False,
    )
    entity_tag = OpaqueField()

    def changes(self) -> ApiKeyChanges:
        fields = self.cleaned_data
        expires_at = UNSET if fields["expires"] == UNCHANGED else self.expires_at()
        return ApiKeyChanges(name=fields["name"], description=fields["description"], expires_at=expires_at)


def end_of_day(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 23, 59, tzinfo=UTC)
