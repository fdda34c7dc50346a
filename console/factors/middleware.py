"""Who must have a second factor and has none is led to the page for it, and can do nothing else."""

from typing import Any

from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse

from apikeys.identity.request import Request
from apikeys.web.navigation import redirect_whole_page
from console.cookies import GetResponse
from console.factors import enrolled, proofs

# By the name of their URL: what somebody without a factor needs for one, and what takes nothing but care.
LEFT_OPEN = frozenset(
    {
        *("factors", "factors_app", "factors_recovery", "passkey_add", "passkey_options_to_add", "passkey_options"),
        *("prove", "logout", "password", "time_zone"),
    }
)


class Enrolment:
    """Leads people without a second factor to the page for it where SECOND_FACTOR says so; else it asks nothing."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: Request) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: Request, view_func: Any, view_args: Any, view_kwargs: Any) -> HttpResponse | None:
        if not getattr(view_func, "login_required", True):
            return None
        match = request.resolver_match
        if match and match.url_name in LEFT_OPEN:
            return None
        if not enrolled.is_missing(request.user) or request.session.get(proofs.TWO_FACTORS):
            return None
        return redirect_whole_page(request, HttpResponseRedirect(reverse("factors")))
