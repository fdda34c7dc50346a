"""Forms about people; what a person may have is checked once, in changes.py."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from console.models import User


class PersonForm(forms.Form):
    """A new person, or what is to change of one."""

    username = forms.CharField(label=_("User ID"), max_length=150)
    first_name = forms.CharField(label=_("First name"), max_length=150, required=False)
    last_name = forms.CharField(label=_("Last name"), max_length=150, required=False)
    email = forms.EmailField(label=_("E-mail address"), max_length=254, required=False)
    is_superuser = forms.BooleanField(label=_("Administrator"), required=False)
    may_create_keys = forms.BooleanField(label=_("May create API keys"), required=False)

    def clean_username(self) -> str:
        """Return the user ID in the form that log-ins compare."""
        return str(User.normalize_username(self.cleaned_data["username"]))

    @classmethod
    def of(cls, person: User) -> dict[str, Any]:
        """Return what the form begins with: what a person is."""
        return {name: getattr(person, name) for name in cls.base_fields}


class DeleteForm(forms.Form):
    """Whom the service IDs of a person go to."""

    heir = forms.ChoiceField(label=_("Hand them to"), required=False)

    def __init__(self, *args: Any, heirs: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["heir"].choices = heirs  # type: ignore[attr-defined]
        self.fields["heir"].required = bool(heirs)


class CodeForm(forms.Form):
    code = forms.CharField(label=_("Link or its code"), max_length=2000)
