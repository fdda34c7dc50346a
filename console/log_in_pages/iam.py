"""Log-in of people whom an upstream IAM knows: by password, one-time passcode or API key; and the choice of account."""

import time
from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.hashers import make_password
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from apikeys import audit
from apikeys.exceptions import LogInRefused, NotAuthorized, StoreError
from apikeys.identity import callers
from apikeys.identity.request import Request
from apikeys.services.messages import sentence
from apikeys.upstream import discovery, login, sessions
from apikeys.upstream.login import LoginMethod, LoginResult
from apikeys.upstream.timeouts import REQUEST_SECONDS
from apikeys.web.navigation import requested_next_url
from apikeys.web.responses import UNPROCESSABLE
from console.log_in import events
from console.log_in.auth import attempt_of, judge
from console.log_in.limiter import Attempt
from console.log_in_pages.views import Login
from console.models import Account, User

MAX_SECRET_LENGTH = 4096
METHODS = [
    (LoginMethod.PASSWORD, gettext_lazy("Password")),
    (LoginMethod.PASSCODE, gettext_lazy("One-time passcode")),
    (LoginMethod.API_KEY, gettext_lazy("API key")),
]


class IAMLoginForm(AuthenticationForm):
    """The log-in at IAM happens while the form is cleaned; `result` is IAM's answer, `user` the console's record."""

    way = forms.ChoiceField(choices=METHODS, required=False)  # the name that open log-in pages send the method under
    username = forms.CharField(max_length=254, required=False)
    password = forms.CharField(max_length=MAX_SECRET_LENGTH, required=False, strip=False)
    passcode = forms.CharField(max_length=MAX_SECRET_LENGTH, required=False)
    apikey = forms.CharField(max_length=MAX_SECRET_LENGTH, required=False)

    status = UNPROCESSABLE  # of the answer to a log-in that is refused

    def clean(self) -> dict[str, Any]:
        fields = self.cleaned_data
        method = LoginMethod(fields.get("way") or LoginMethod.PASSWORD)
        username, secret = fields.get("username") or "", fields.get(method) or ""  # a method is called like its field
        if self.errors or not secret or (method is LoginMethod.PASSWORD and not username):
            raise forms.ValidationError(_("Enter your log-in details."))
        address = cast("Request", self.request).client_address
        self.deadline = time.monotonic() + REQUEST_SECONDS
        # The person behind a passcode or a key is not known yet: attempts are counted for each secret, kept as a hash.
        counted = Attempt(address, f"{method} {secret}", is_person=False)
        if method is LoginMethod.PASSWORD:
            counted = attempt_of(cast("Request", self.request), username)

        def look() -> bool:
            self.result = login.log_in(
                method, address=address, deadline=self.deadline, username=username, secret=secret
            )
            self.user = person_of(self.result)
            return self.user.is_active

        try:
            is_let_in = judge(counted, look, not_looked=(StoreError,))  # then IAM did not look at the password
        except (LogInRefused, StoreError) as exc:
            self.status = exc.status
            raise forms.ValidationError(sentence(exc)) from None
        if not is_let_in:
            raise forms.ValidationError(_("You are not allowed to log in here. Ask the operator of this console."))
        return fields

    def get_user(self) -> User:
        return self.user


@method_decorator([login_not_required, sensitive_post_parameters()], name="dispatch")
class IAMLogin(Login):
    """One form for each method, chosen by `with` in the URL, so that all work without script."""

    request: Request
    template_name = "login_iam.html"
    form_class = IAMLoginForm

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        asked = self.request.POST.get("way") or self.request.GET.get("with") or ""
        offered = login.offered_methods()
        found = {
            "methods": [(method, label) for method, label in METHODS if method in offered],
            "method": LoginMethod(asked) if asked in offered else LoginMethod.PASSWORD,
            "iam_host": settings.IAM_HOST,
            "passcode_url": discovery.offer.passcode_url,
        }
        return super().get_context_data(**kwargs) | found

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        response = super().form_valid(form)
        form = cast("IAMLoginForm", form)
        session = self.request.session
        if session.session_key is None:  # logging in over another person's session has ended it, and its key
            session.create()
        sessions.begin(str(session.session_key), form.result.pair)
        access = callers.access_of(self.request)
        access.deadline = form.deadline  # one time for all that this request waits for
        if access.account_id:
            access.detect_sees_all()
        return response

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        errors, status = form.non_field_errors() or [_("Enter your log-in details.")], cast("IAMLoginForm", form).status
        if status == UNPROCESSABLE:
            events.record(self.request, audit.LOG_IN, self.request.POST.get("username", ""), reason="LogInRefused")
        return self.refuse(form, str(errors[0]), status)


def person_of(result: LoginResult) -> User:
    """Return the console's record of a person whom IAM knows; it holds no password."""
    given_name, _space, family_name = result.name.partition(" ")
    fields: dict[str, Any] = {"first_name": given_name, "last_name": family_name, "email": result.email}
    if result.account_id:
        fields["account"] = Account.objects.get_or_create(id=result.account_id)[0]
    user, is_new = User.objects.get_or_create(
        iam_id=result.iam_id, defaults=fields | {"username": result.iam_id, "password": make_password(None)}
    )
    if not is_new and user.is_active:
        for name, text in fields.items():
            setattr(user, name, text)
        user.save(update_fields=list(fields))  # nothing else: an administrator may just have changed it
    return user


class AccountForm(forms.Form):
    """The account is changed to while the form is cleaned: IAM says whether it is the person's."""

    account = forms.RegexField(
        r"^[A-Za-z0-9]{1,32}\Z",
        error_messages=dict.fromkeys(
            ("required", "invalid"), gettext_lazy("Enter the ID of an account: 32 letters and digits.")
        ),
    )

    def __init__(self, access: sessions.IAMAccess, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.access, self.status = access, UNPROCESSABLE

    def clean_account(self) -> str:
        account_id = str(self.cleaned_data["account"])
        try:
            self.access.choose_account(account_id)
        except (NotAuthorized, StoreError) as exc:
            self.status = exc.status if exc.status >= 500 else UNPROCESSABLE
            raise forms.ValidationError(sentence(exc)) from None
        return account_id


@require_http_methods(["GET", "POST"])
def choose_account(request: Request) -> HttpResponse:
    """The account whose keys are managed, for people who belong to several."""
    access = callers.access_of(request)
    form = AccountForm(access, request.POST or None)
    if form.is_valid():
        access.detect_sees_all()
        chosen = _("You are now managing the API keys of account %(id)s.") % {"id": access.account_id}
        messages.success(request, chosen)
        return HttpResponseRedirect(requested_next_url(request) or reverse("dashboard"))
    context = {
        "accounts": login.accounts(access),
        "current": access.account_id,
        "refusal": form.errors["account"][0] if form.errors else "",
        "next": requested_next_url(request),
    }
    return render(request, "choose_account.html", context, status=form.status if form.errors else 200)
