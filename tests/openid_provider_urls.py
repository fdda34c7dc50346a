"""The addresses of the provider of tests/openid_provider.py, and what it tells of people."""

from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from oauth2_provider.oauth2_validators import OAuth2Validator


class Validator(OAuth2Validator):
    """Tells user ID, name, address and groups, each with its scope."""

    oidc_claim_scope = OAuth2Validator.oidc_claim_scope | {"groups": "groups"}

    def get_additional_claims(self, request):
        person = request.user
        return {
            "preferred_username": person.username,
            "given_name": person.first_name,
            "email": person.email,
            "email_verified": True,
            "groups": [group.name for group in person.groups.order_by("name")],
        }


def favicon(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=204)


urlpatterns = [
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
    path("in/", LoginView.as_view()),
    path("favicon.ico", favicon),
]
