"""The pages that ask for a password: log-in, and Change password."""

from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.contrib.auth.views import LoginView, PasswordChangeView
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse, reverse_lazy
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters

from apikeys import audit
from apikeys.backends import store_traits
from apikeys.exceptions import PasswordRefused, TooManyAttempts
from apikeys.identity.callers import caller_of
from apikeys.identity.request import Request
from apikeys.services.messages import sentence
from apikeys.storage.reserve import revocation
from apikeys.web.navigation import requested_next_url
from apikeys.web.responses import UNPROCESSABLE, with_retry_after
from console import sessions
from console.factors import asked_again, enrolled, passkeys, second_step
from console.log_in import devices, events
from console.log_in.auth import is_own_password
from console.log_in.passwords import NewPasswordForm
from console.log_in_pages.factors import LATE, PASSKEY_REFUSED
from console.models import User
from console.people import changes
from console.single_sign_on import refusals


@method_decorator([login_not_required, sensitive_post_parameters()], name="dispatch")
class Login(LoginView):
    """User ID and password; the attempt is counted before the password is looked at."""

    template_name = "login.html"
    redirect_authenticated_user = True

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        marks = request.META.get("QUERY_STRING", "").split("&")
        for mark, words in WORDS.items():
            if mark in marks:
                messages.warning(request, words())
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        offered = {
            "refusal": refusals.told(self.request),
            "single_sign_on": settings.OIDC_NAME,
            "only_elsewhere": settings.OIDC_ONLY,
            "offers_passkeys": self.offers_passkeys(),
        }
        return offered | super().get_context_data(**kwargs)

    def get_redirect_url(self, request: HttpRequest | None = None) -> str:
        return requested_next_url(request or self.request)

    def offers_passkeys(self) -> bool:
        """Tell whether somebody can log in with a passkey: not under an IP address, and not upstream."""
        return not (store_traits().is_upstream or settings.OIDC_ONLY) and bool(passkeys.host_of(self.request))

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return super().post(request, *args, **kwargs)
        except TooManyAttempts as exc:
            events.record_limit(request, exc, request.POST.get("username", ""))
            return with_retry_after(self.refuse(self.form_class(request), sentence(exc), exc.status), exc)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        person = form.get_user()
        if enrolled.has_one(person):
            events.note_first_step(self.request, person)
            zone = self.request.POST.get("time_zone", "")
            second_step.begin(self.request, person, next_url=self.get_success_url(), time_zone=zone)
            return HttpResponseRedirect(reverse("second_step"))
        response = super().form_valid(form)
        if user_id := form.cleaned_data.get("username"):
            devices.remember(self.request, response, user_id)
        self.request.session.pop(sessions.BEGAN, None)  # twelve hours from now, not from the first look at the page
        cast("User", self.request.user).suggest_time_zone(self.request.POST.get("time_zone", ""))
        return response

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        if settings.OIDC_ONLY:
            told = _("This console takes no passwords. Log in with %(name)s.") % {"name": settings.OIDC_NAME}
            return self.refuse(form, told, UNPROCESSABLE)
        return self.refuse(form, _("Incorrect user ID or password. Check them and try again."), UNPROCESSABLE)

    def refuse(self, form: AuthenticationForm, message: str, status: int) -> HttpResponse:
        """Return the form again with a message and what was typed as user ID."""
        username = self.request.POST.get("username", "")
        context = self.get_context_data(form=form, refusal=message, username=username)
        return self.render_to_response(context, status=status)


def late_message() -> str:
    return _("Log in again: the second step takes ten minutes at most.")


WORDS = {
    sessions.ENDED: sessions.ended_message,
    LATE: late_message,
    PASSKEY_REFUSED: asked_again.wrong_passkey,
}


class OwnPasswordForm(NewPasswordForm, PasswordChangeForm):
    """Django's, with wrong current passwords counted as at a log-in: who finds a session open could guess on here."""

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request

    def clean_old_password(self) -> str:
        """Return the current password. Raises ValidationError for another one, TooManyAttempts."""
        password = str(self.cleaned_data["old_password"])
        if not is_own_password(self.request, password):
            raise ValidationError(self.error_messages["password_incorrect"], code="password_incorrect")
        return password


@method_decorator(sensitive_post_parameters(), name="dispatch")
class Password(PasswordChangeView):
    """Current and new password; the person's other sessions end with the change."""

    template_name = "password.html"
    form_class = OwnPasswordForm
    success_url = reverse_lazy("dashboard")

    def get_form_kwargs(self) -> dict[str, Any]:
        return super().get_form_kwargs() | {"request": self.request}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        told = ""
        if settings.OIDC_ISSUER and not cast("User", self.request.user).has_usable_password():
            told = _("You have no password here: you log in with %(name)s.") % {"name": settings.OIDC_NAME}
        return {"refusal": told} | super().get_context_data(**kwargs)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return super().post(request, *args, **kwargs)
        except TooManyAttempts as exc:
            form = OwnPasswordForm(request.user, request=request)
            context = self.get_context_data(form=form, refusal=sentence(exc))
            events.record_limit(request, exc, cast("User", request.user))
            return with_retry_after(self.render_to_response(context, status=exc.status), exc)

    def form_valid(self, form: PasswordChangeForm) -> HttpResponse:
        caller, chosen = caller_of(cast("Request", self.request)), form.cleaned_data["new_password1"]
        session = sessions.stored_key(self.request.session.session_key or "")
        try:
            person = changes.change_own_password(caller, form.user, chosen, session=session)
        except PasswordRefused:
            form.add_error("old_password", form.error_messages["password_incorrect"])
            return self.refuse(form)
        revocation(update_session_auth_hash)(self.request, person)  # all sessions have ended, this one, too
        messages.success(self.request, _("Your password was changed. Your other sessions have ended."))
        return HttpResponseRedirect(self.get_success_url())

    def form_invalid(self, form: PasswordChangeForm) -> HttpResponse:
        if form.has_error("old_password", "password_incorrect"):
            person = cast("User", self.request.user)
            events.record(self.request, audit.PERSON_PASSWORD, person, reason=PasswordRefused.__name__)
        return self.refuse(form)

    def refuse(self, form: PasswordChangeForm) -> HttpResponse:
        """Return the form again, with what is wrong."""
        return self.render_to_response(self.get_context_data(form=form), status=UNPROCESSABLE)
