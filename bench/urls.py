"""What pages and answers of the console are measured against: the same server does the least there that it can."""

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import path

from apikeys.identity.signing import RSA_BITS
from console.urls import handler400, handler403, handler404, handler500
from console.urls import urlpatterns as of_console

CLAIMS = {"iam_id": "IBMid-0000000000", "scope": "ibm openid", "account": {"bss": "0" * 32}, "iat": 0, "exp": 3600}
_private_key = rsa.generate_private_key(65537, RSA_BITS)


def blank(request: HttpRequest) -> HttpResponse:
    """A page for somebody who is logged in, which draws nothing."""
    return HttpResponse()


def menu(request: HttpRequest) -> HttpResponse:
    """A page with nothing but what every page has: its head and the bar with menus."""
    return render(request, "base.html")


@login_not_required
def constant(request: HttpRequest) -> JsonResponse:
    """The same object each time."""
    return JsonResponse({"active": True})


@login_not_required
def signature(request: HttpRequest) -> JsonResponse:
    """A token signed anew each time, and nothing else that an exchange does."""
    return JsonResponse({"access_token": jwt.encode(CLAIMS, _private_key, algorithm="RS256")})


urlpatterns = [
    path("bench/blank", blank),
    path("bench/menu", menu),
    path("bench/constant", constant),
    path("bench/signature", signature),
    *of_console,
]

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]
