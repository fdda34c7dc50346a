"""Forms of second factors."""

from django import forms
from django.utils.translation import gettext_lazy as _


class CodeForm(forms.Form):
    code = forms.CharField(label=_("Code"), max_length=40)


class AppForm(forms.Form):
    """The first code of an app, which shows that it has the secret."""

    code = forms.CharField(label=_("Code that the app shows"), max_length=20)

    def clean_code(self) -> str:
        """Return the code without blanks, which apps show in the middle."""
        return "".join(str(self.cleaned_data["code"]).split())
