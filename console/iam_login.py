"""Log-in of people whom another IAM knows: by password, one-time passcode or API key; and the choice of account."""

import time
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import RedirectURLMixin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from apikeys import callers, iam_logins, iam_people
from apikeys.exceptions import ApiKeyError, BackendUnavailable
from apikeys.iam_people import Arrival, Way
from apikeys.middleware import sentence
from console import limiter
from console.models import Account, User
from console.views import UNPROCESSABLE, Login

SECRETS = {Way.PASSWORD: "password", Way.PASSCODE: "passcode", Way.API_KEY: "apikey"}
MAX_SECRET_LENGTH = 4096
ACCOUNT_MAX_LENGTH = 32
WAYS = [
    (Way.PASSWORD, gettext_lazy("Password")),
    (Way.PASSCODE, gettext_lazy("One-time passcode")),
    (Way.API_KEY, gettext_lazy("API key")),
]


class IAMLoginForm(forms.Form):
    """What the person gave is shown to IAM while the form is cleaned; `arrival` is who came of it."""

    way = forms.ChoiceField(choices=WAYS, required=False)
    username = forms.CharField(max_length=254, required=False)
    password = forms.CharField(max_length=MAX_SECRET_LENGTH, required=False, strip=False)
    passcode = forms.CharField(max_length=MAX_SECRET_LENGTH, required=False)
    apikey = forms.CharField(max_length=MAX_SECRET_LENGTH, required=False)

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request

    def clean(self) -> dict[str, Any]:
        fields = super().clean() or self.cleaned_data
        way = Way(fields.get("way") or Way.PASSWORD)
        username, secret = fields.get("username") or "", fields.get(SECRETS[way]) or ""
        if self.errors or not secret or (way is Way.PASSWORD and not username):
            raise forms.ValidationError(_("Fill in what you log in with."))
        address = self.request.client_address  # type: ignore[attr-defined]
        self.deadline = time.monotonic() + callers.REQUEST_SECONDS
        counted = username if way is Way.PASSWORD else f"by {way}"
        limiter.reserve(counted, address)
        try:
            self.arrival = iam_people.log_in(
                way, address=address, deadline=self.deadline, username=username, secret=secret
            )
        except (iam_people.LogInRefused, BackendUnavailable) as exc:
            if isinstance(exc, BackendUnavailable):
                limiter.give_back(counted, address)
            self.refused_with = exc.status
            raise forms.ValidationError(sentence(exc)) from None
        self.user = person_of(self.arrival)
        if not self.user.is_active:
            raise forms.ValidationError(_("You may not log in here. Ask who runs this console."))
        limiter.forgive(counted, address)
        return fields

    def get_user(self) -> User:
        return self.user


@method_decorator([login_not_required, sensitive_post_parameters()], name="dispatch")
class IAMLogin(Login):
    """One form for each way; which one is in the address, so that all work without script."""

    template_name = "login_iam.html"
    form_class = IAMLoginForm  # type: ignore[assignment]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        asked = self.request.POST.get("way") or self.request.GET.get("with") or ""
        offered = iam_people.offered_ways()
        found = {
            "ways": [(way, label) for way, label in WAYS if way in offered],
            "way": Way(asked) if asked in offered else Way.PASSWORD,
            "iam_host": settings.IAM_HOST,
            "passcode_url": iam_people.discovered.passcode_url,
        }
        return super().get_context_data(**kwargs) | found

    def form_valid(self, form: IAMLoginForm) -> HttpResponse:  # type: ignore[override]
        response = super().form_valid(form)  # type: ignore[arg-type]
        iam_logins.begin(str(self.request.session.session_key), form.arrival.pair)
        callers.access_of(self.request).deadline = form.deadline  # one time for all that this request waits for
        keep_account(self.request, form.arrival.account_id)
        return response

    def form_invalid(self, form: IAMLoginForm) -> HttpResponse:  # type: ignore[override]
        errors = form.non_field_errors() or [_("Fill in what you log in with.")]
        return self.refuse(form, errors[0], getattr(form, "refused_with", UNPROCESSABLE))  # type: ignore[arg-type]


def person_of(arrival: Arrival) -> User:
    """Return the console's record of a person whom IAM knows; it holds no password."""
    user = User.objects.filter(iam_id=arrival.iam_id).first()
    if user is None:
        user = User(iam_id=arrival.iam_id, username=arrival.iam_id)
        user.set_unusable_password()
    given_name, _space, family_name = arrival.name.partition(" ")
    user.first_name, user.last_name, user.email = given_name, family_name, arrival.email
    if arrival.account_id:
        user.account = Account.objects.get_or_create(id=arrival.account_id[:ACCOUNT_MAX_LENGTH])[0]
    user.save()
    return user


def keep_account(request: HttpRequest, account_id: str) -> None:
    """Remember in the session which account the tokens are for, and whether all its keys may be seen."""
    sees_all = bool(account_id) and iam_people.sees_whole_account(callers.access_of(request), account_id)
    request.session[callers.ACCOUNT_SESSION_KEY] = {"id": account_id, "sees_all": sees_all}


class Back(RedirectURLMixin):
    """Where a person was going, if that is an address of ours."""

    next_page = settings.LOGIN_REDIRECT_URL

    def __init__(self, request: HttpRequest) -> None:
        self.request = request


@require_http_methods(["GET", "POST"])
def choose_account(request: HttpRequest) -> HttpResponse:
    """The account whose keys are managed, for people who belong to several."""
    access = callers.access_of(request)
    current = request.session.get(callers.ACCOUNT_SESSION_KEY, {}).get("id", "")
    refusal, status = "", 200
    if request.method == "POST":
        account_id = request.POST.get("account", "").strip()
        try:
            if not account_id.isalnum() or not account_id.isascii() or len(account_id) > ACCOUNT_MAX_LENGTH:
                raise forms.ValidationError(_("Enter the ID of an account: 32 letters and digits."))
            if iam_people.account_of(access.choose_account(account_id)) != account_id:
                raise forms.ValidationError(
                    _("%(host)s gives you no access to this account.") % {"host": settings.IAM_HOST}
                )
        except forms.ValidationError as exc:
            refusal, status = str(exc.message), UNPROCESSABLE
        except BackendUnavailable as exc:
            refusal, status = sentence(exc), exc.status
        except ApiKeyError as exc:
            if exc.status == 401:
                raise
            refusal, status = sentence(exc), UNPROCESSABLE
        else:
            keep_account(request, account_id)
            messages.success(request, _("You manage the API keys of account %(id)s now.") % {"id": account_id})
            return HttpResponseRedirect(Back(request).get_success_url())
    context = {
        "accounts": iam_people.accounts(access),
        "current": current,
        "refusal": refusal,
        "next": Back(request).get_redirect_url(),
    }
    return render(request, "account.html", context, status=status)
