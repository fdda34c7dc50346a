"""Forms of second factors."""

from django import forms
from django.utils.translation import gettext_lazy as _

from console.factors.passkeys import MAX_LENGTH


class AppForm(forms.Form):
    """The first code of an app, which shows that it has the secret."""

    code = forms.CharField(label=_("Code that the app shows"), max_length=20)

    def clean_code(self) -> str:
        """Return the code without blanks, which apps show in the middle."""
        return "".join(str(self.cleaned_data["code"]).split())


class PasskeyForm(forms.Form):
    """A new passkey, as the browser made it, and what its person calls it."""

    name = forms.CharField(label=_("Name of the passkey"), max_length=60)
    passkey = forms.CharField(max_length=MAX_LENGTH, widget=forms.HiddenInput)
