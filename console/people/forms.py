"""Forms about people; what a person may have is checked once, in changes.py."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from apikeys.web.forms import OpaqueField
from console.models import User
from console.people.changes import FIELDS, version_of

BOXES = ("is_superuser", "may_create_keys")


class PersonForm(forms.Form):
    """A new person, or what is to change of one."""

    username = forms.CharField(label=_("User ID"), max_length=150)
    first_name = forms.CharField(label=_("First name"), max_length=150, required=False)
    last_name = forms.CharField(label=_("Last name"), max_length=150, required=False)
    email = forms.EmailField(label=_("E-mail address"), max_length=254, required=False)
    is_superuser = forms.BooleanField(label=_("Administrator"), required=False)
    may_create_keys = forms.BooleanField(label=_("May create API keys"), required=False)
    seen = OpaqueField()  # of a person who is changed: which version the form was made from

    def clean_username(self) -> str:
        """Return the user ID in the form that log-ins compare."""
        return str(User.normalize_username(self.cleaned_data["username"]))

    @classmethod
    def of(cls, person: User) -> dict[str, Any]:
        """Return what the form begins with: what a person is."""
        return {"seen": version_of(person)} | {name: getattr(person, name) for name in FIELDS}

    def fields_of_person(self) -> dict[str, Any]:
        """Return what a person is to have, once the form is valid."""
        return {name: self.cleaned_data[name] for name in FIELDS}

    def follow(self, person: User) -> None:
        """Be the form of a person who was changed meanwhile: what was typed stays, and each box is as the person is."""
        typed = {name: self[name].data for name in self.fields}
        self.data = typed | {"seen": version_of(person)} | {name: getattr(person, name) for name in BOXES}


class DeleteForm(forms.Form):
    """Whom the service IDs of a person go to."""

    heir = forms.ChoiceField(label=_("Hand them to"), required=False)

    def __init__(self, *args: Any, heirs: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["heir"].choices = heirs  # type: ignore[attr-defined]
        self.fields["heir"].required = bool(heirs)


class CodeForm(forms.Form):
    code = forms.CharField(label=_("Link or its code"), max_length=2000)
