"""The forms that create and edit a key. The rules are in services/validation.py; a form applies them field by field."""

import secrets
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils import timezone
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from apikeys import networks, scopes, zones
from apikeys.domain import NO_RULES, UNSET, ApiKey, ApiKeyChanges, ApiKeyDraft, LeakedAction, Rules, Scope
from apikeys.exceptions import InvalidApiKey
from apikeys.identity.request import Request
from apikeys.services import offered_scopes, rules
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
EVERYTHING, CHOSEN = "", "chosen"
ALLOWED = [
    (EVERYTHING, _("Everything")),
    (scopes.READ, _("Only read API keys")),
    (CHOSEN, _("Chosen scopes…")),
]
LEAKED_ACTIONS = {
    LeakedAction.NONE: _("Only mark it"),
    LeakedAction.DISABLE: _("Disable it at once"),
    LeakedAction.DELETE: _("Delete it at once"),
}


def sent_form(request: Request) -> QueryDict | None:
    """Return the form that was sent, however empty, None for no form."""
    return request.POST if request.method == "POST" else None


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


class NetworksField(ValidatedField):
    """Networks, each on a line of its own; what is returned is their text."""

    def __init__(self) -> None:
        super().__init__(lambda text: networks.clean(text.split()), label=_("Networks"))

    def prepare_value(self, value: Any) -> str:
        return "\n".join(networks.listed(value or ""))


class TickedBoxes(forms.TextInput):
    """Boxes that have one name: the values of those that are ticked, as a text with spaces between them."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        return " ".join(data.getlist(name)) if isinstance(data, MultiValueDict) else data.get(name)


def one_paragraph(text: str) -> str:
    """Return a description whose line breaks and tabs are spaces: descriptions have no control characters."""
    return clean_description(" ".join(text.replace("\t", " ").splitlines()))


class ApiKeyForm(forms.Form):
    name = ValidatedField(clean_name, label=_("Name"))
    description = ValidatedField(one_paragraph, label=_("Description"))

    def replace(self, field: str, text: str) -> None:
        """Show `text` in a field instead of what was sent."""
        self.data = {**{name: self[name].data for name in self.fields}, field: text}


class ExpiringForm(ApiKeyForm):
    """`expires_at()` is the end that was chosen, None for none, once the form is valid.

    A date alone ends at 23:59 UTC; a time of day is one of `zone`, the reader's when the form was opened.
    """

    never = ""  # the choice of no expiration
    latest_end: datetime | None = None  # when the key may expire by the rules at the latest

    choices = EXPIRIES
    expires = forms.ChoiceField(label=_("Expiration"), choices=choices, required=False)
    expires_on = forms.DateField(
        label=_("Expiration date"),
        required=False,
        input_formats=["%Y-%m-%d"],
        error_messages={"invalid": _("Enter a date like 2030-01-31.")},
    )
    expires_time = forms.TimeField(
        required=False,
        input_formats=["%H:%M", "%H:%M:%S"],
        error_messages={"invalid": _("Enter a time like 17:30.")},
    )
    time_zone = OpaqueField()  # a form that an earlier release drew has none, and meant UTC

    def __init__(self, *args: Any, rules: Rules = NO_RULES, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rules = rules
        self.fields["time_zone"].initial = zones.name_of(timezone.get_current_timezone())

    def end_by(self, latest: datetime | None) -> None:
        """Offer what the rules allow a key that may expire then at the latest. What was sent is not refused by it."""
        self.latest_end = latest
        offered = [choice for choice in self.choices if self._is_offered(choice[0])]
        self.fields["expires"].widget.choices = offered

    def _is_offered(self, choice: str) -> bool:
        if choice == self.never:
            return not self.rules.needs_expiration
        return self.latest_end is None or not choice.isdecimal() or _end_in(choice) <= self.latest_end

    def refuse(self, error: InvalidApiKey) -> None:
        """Show beside the field that it is about, where there is one, why the key can't be so."""
        field: str | None = error.field if error.field in self.fields else None
        if error.field == "expires_at":
            field = "expires_on" if self.cleaned_data["expires"] == ON_DATE else "expires"
        self.add_error(field, sentence(error))

    @property
    def zone(self) -> tzinfo:
        return zones.named(self["time_zone"].value() or zones.NAME_OF_UTC)

    @property
    def zone_name(self) -> str:
        """Return the name beside the field of the time of day."""
        return zones.name_of(self.zone)

    def clean(self) -> dict[str, Any]:
        fields = super().clean() or self.cleaned_data
        if fields.get("expires") != ON_DATE:
            for name in ("expires_on", "expires_time"):  # what nobody chose is not asked for, nor shown
                self.errors.pop(name, None)
        elif not {"expires_on", "expires_time"} & self.errors.keys() and (fault := self._fault_of_date()):
            self.add_error(*fault)
        return fields

    def _fault_of_date(self) -> tuple[str, str] | None:
        """Return the field and what is wrong with the date and the time of day that were chosen, None for nothing."""
        day, clock = self.cleaned_data["expires_on"], self.cleaned_data["expires_time"]
        if day is None:
            return "expires_on", gettext("Choose a date.")
        if clock and self.cleaned_data["time_zone"] not in ("", self.zone_name):
            return "expires_time", gettext("The time zone of this form is not known. Open the form again.")
        try:
            if self._end() > timezone.now():
                return None
        except zones.NoSuchTime:
            told = gettext("Clocks in %(zone)s do not show this time on this date. Choose another one.")
            return "expires_time", told % {"zone": self.zone_name}
        if clock:
            return "expires_time", gettext("This time is in the past. Choose a later one.")
        if day >= timezone.localdate(timezone=self.zone):
            return "expires_on", gettext("23:59 UTC on this date is in the past. Enter a time, or a later date.")
        return "expires_on", gettext("This date is in the past. Choose a later one.")

    def _end(self) -> datetime:
        """Return when the date that was chosen ends the key. Raises NoSuchTime."""
        day, clock = self.cleaned_data["expires_on"], self.cleaned_data["expires_time"]
        return end_of_day(day) if clock is None else zones.moment_at(day, clock.replace(second=0), self.zone)

    def expires_at(self) -> datetime | None:
        choice = self.cleaned_data["expires"]
        if choice == ON_DATE:
            return self._end()
        return _end_in(choice) if choice.isdecimal() else None


class LimitedForm(ExpiringForm):
    """Once it is valid `scope()` is what the key may do, and `cleaned_data["networks"]` from where, as texts.

    Networks without the person's own `address` are sent twice: the form comes back once, with a warning.
    """

    allowed = forms.ChoiceField(label=_("What the key may do"), choices=ALLOWED, required=False)
    scopes = ValidatedField(offered_scopes.clean, label=_("Scopes"), widget=TickedBoxes)
    scope_before = OpaqueField()  # that of the key when the form was opened
    networks = NetworksField()
    networks_before = OpaqueField()  # those of the key when the form was opened
    networks_seen = OpaqueField()  # those that the form came back with

    def __init__(self, *args: Any, address: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.address = address

    def clean(self) -> dict[str, Any]:
        fields = super().clean()
        if fields.get("allowed") != CHOSEN:
            self.errors.pop("scopes", None)  # what nobody chose is not asked for
        elif fields.get("scopes") == "":
            self.add_error("scopes", gettext("Choose at least one scope."))
        text = fields.get("networks", "")
        if self.rules.networks and not networks.is_within(text, self.rules.networks):
            return fields  # it is refused for another reason
        is_seen = text in (fields.get("networks_before"), fields.get("networks_seen"))
        if not is_seen and networks.address_of(self.address) and not networks.admits(text, self.address):
            told = gettext("Your own address, %(address)s, is not among these. If you mean that, send the form again.")
            self.add_error("networks", told % {"address": self.address})
            self.replace("networks_seen", text)
        return fields

    def networks_at_most(self) -> str:
        """Return from where the rules let keys be used, in words."""
        return ", ".join(networks.listed(self.rules.networks))

    def boxes(self) -> list[tuple[Scope, bool]]:
        """Return each scope that can be chosen, and whether it is."""
        chosen = scopes.listed(self["scopes"].value() or "")
        return [(scope, scope.name in chosen) for scope in offered_scopes.offered()]

    def scope(self) -> str:
        chosen: str = self.cleaned_data["allowed"]
        return self.cleaned_data["scopes"] if chosen == CHOSEN else chosen


def limits_of(key: ApiKey) -> dict[str, str]:
    """Return what a form begins with that edits the limits of a key."""
    chosen = key.scope if key.scope in (EVERYTHING, scopes.READ) else CHOSEN
    return {"allowed": chosen, "scopes": key.scope, "scope_before": key.scope, "networks_before": key.networks}


class CreateForm(LimitedForm):
    """`draft()` is what the form asks for, and `cleaned_data["delivery"]` its hand-over, once it is valid.

    `iam_id` is the person, `account_id` the account whose keys are managed now.
    """

    action_when_leaked = forms.ChoiceField(label=_("If the key leaks"), choices=LEAKED_ACTIONS, required=False)
    is_decoy = forms.BooleanField(required=False)
    nonce = OpaqueField()
    account = OpaqueField()  # which was chosen when the form was opened

    def __init__(self, *args: Any, iam_id: str = "", account_id: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.iam_id, self.account_id = iam_id, account_id
        self.end_by(self.rules.latest_end(timezone.now()))

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

    def check_rules(self) -> None:
        """Show what breaks the rules in a form that is not sent yet; one that is sent, the store refuses.

        What is sent once more may have created its key before there was a rule, and gets its value.
        """
        if not {"expires", "expires_on", "expires_time"} & self.errors.keys():
            self._check(rules.check_expiration, self.expires_at(), self.latest_end)
        if "networks" not in self.errors:
            self._check(rules.check_networks, self.cleaned_data["networks"])

    def _check(self, check: Callable[..., None], *chosen: Any) -> None:
        try:
            check(self.rules, *chosen)
        except InvalidApiKey as exc:
            self.refuse(exc)

    def draft(self) -> ApiKeyDraft:
        fields = self.cleaned_data
        action = fields["action_when_leaked"]
        return ApiKeyDraft(
            name=fields["name"],
            description=fields["description"],
            expires_at=self.expires_at(),
            action_when_leaked=LeakedAction(action) if action else None,
            is_decoy=fields["is_decoy"],
            scope=self.scope(),
            networks=fields["networks"],
        )


class EditForm(LimitedForm):
    """`changes()` is what the form asks for, once it is valid; its expiration stays unless another one is chosen."""

    choices = [(UNCHANGED, _("No change")), (NEVER, _("Does not expire")), *EXPIRIES[1:]]
    expires = forms.ChoiceField(label=_("Expiration"), choices=choices, required=False)
    entity_tag = OpaqueField()
    never = NEVER

    def changes(self) -> ApiKeyChanges:
        fields = self.cleaned_data
        expires_at = UNSET if fields["expires"] == UNCHANGED else self.expires_at()
        return ApiKeyChanges(
            name=fields["name"],
            description=fields["description"],
            expires_at=expires_at,
            scope=None if self.scope() == fields["scope_before"] else self.scope(),
            networks=None if fields["networks"] == fields["networks_before"] else fields["networks"],
        )


def _end_in(days: str) -> datetime:
    return timezone.now() + timedelta(days=int(days))


def end_of_day(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 23, 59, tzinfo=UTC)
