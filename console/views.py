"""Dashboard, time zone, API reference, language and theme, health."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import groupby

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.csrf import requires_csrf_token
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django.views.i18n import set_language as django_set_language

from apikeys import zones
from apikeys.api.openapi import document, reference
from apikeys.identity.callers import caller_of
from apikeys.identity.request import Request
from apikeys.services import keys
from apikeys.services.messages import sentence
from apikeys.storage import reserve
from apikeys.web import drafts
from apikeys.web.compression import compressed
from apikeys.web.listing import number_of
from apikeys.web.navigation import requested_next_url
from apikeys.web.responses import UNPROCESSABLE
from console import csrf
from console.context_processors import THEMES
from console.cookies import set_cookie
from console.database import without_waiting
from console.errors import for_exception, problem
from console.log_in import events
from console.mails import languages
from console.models import User, validate_time_zone

KEY_FORMS = ("api_key_create", "api_key_edit")


@require_GET
def dashboard(request: Request) -> HttpResponse:
    """How many keys, the newest, what happened lately."""
    overview = keys.overview(caller_of(request))
    problem = sentence(overview.problem) if overview.problem else ""
    count = "–" if overview.count is None else number_of(overview.count)
    page = render(request, "dashboard.html", {"overview": overview, "count": count, "store_problem": problem})
    return page if request.META.get("QUERY_STRING") else compressed(request, page)


@require_GET
def api_reference(request: HttpRequest) -> HttpResponse:
    """The API reference for people, from the OpenAPI description that programs read."""
    described = document.current()
    context = {
        "about": described["info"]["description"].split("\n\n"),
        "groups": reference.groups(described),
        "schemas": reference.schemas(described),
        "server_url": settings.PUBLIC_URL,
    }
    page = render(request, "api_reference.html", context)
    return page if request.META.get("QUERY_STRING") else compressed(request, page)


class TimeZoneForm(forms.Form):
    time_zone = forms.CharField(
        label=gettext_lazy("Time zone"), max_length=64, required=False, validators=[validate_time_zone]
    )


@require_http_methods(["GET", "POST"])
def time_zone(request: Request) -> HttpResponse:
    """The time zone whose times the person's pages show."""
    user = request.user
    form = TimeZoneForm(request.POST or None, initial={"time_zone": user.time_zone})
    if form.is_valid():
        user.time_zone = form.cleaned_data["time_zone"]
        user.save(update_fields=["time_zone"])
        messages.success(
            request,
            _("Times are now shown in the time zone %(zone)s.") % {"zone": user.time_zone}
            if user.time_zone
            else _("Times are shown in UTC until your browser names your time zone at the next log-in."),
        )
        return HttpResponseRedirect(reverse("dashboard"))
    regions = groupby((name for name in zones.offered() if "/" in name), key=lambda name: name.partition("/")[0])
    context = {
        "form": form,
        "utc": zones.NAME_OF_UTC,
        "regions": [(region, list(names)) for region, names in regions],
        "is_old_name": user.time_zone not in ("", *zones.offered()),
        "now": datetime.now(UTC),
    }
    return render(request, "time_zone.html", context, status=UNPROCESSABLE if form.errors else 200)


@login_not_required
@require_POST
def set_language(request: HttpRequest) -> HttpResponse:
    """Remember the language for a year and go back to the page it was chosen on."""
    if isinstance(request.user, User):
        languages.keep(request.user, request.POST.get("language", ""))
    return django_set_language(request)


@login_not_required
@require_POST
def set_theme(request: HttpRequest) -> HttpResponse:
    """Remember light, dark or the system's choice for a year."""
    response = HttpResponseRedirect(requested_next_url(request) or reverse("dashboard"))
    theme = request.POST.get("theme", "")
    if theme in THEMES:
        set_cookie(response, settings.THEME_COOKIE_NAME, theme, settings.LANGUAGE_COOKIE_AGE)
    return response


@login_not_required
@require_GET
def favicon(request: HttpRequest) -> HttpResponse:
    """The icon for answers that name none, as those that are not HTML."""
    return HttpResponseRedirect(static("icons.svg"))


@login_not_required
@require_GET
def healthz(request: HttpRequest) -> HttpResponse:
    """Tell that this process answers."""
    return HttpResponse("ok\n", content_type="text/plain")


@login_not_required
@require_GET
def readyz(request: HttpRequest) -> HttpResponse:
    """Tell whether the database answers, has every migration, and has room."""
    fault = _unready()
    text = f"not ready: {fault}\n" if fault else "ready\n"
    return HttpResponse(text, content_type="text/plain", status=503 if fault else 200)


def _unready() -> str:
    """Return why this server should get no requests, "" where it should."""
    try:
        with without_waiting(connection):
            executor = MigrationExecutor(connection)
            if executor.migration_plan(executor.loader.graph.leaf_nodes()):
                return "the database lacks migrations"
    except Error:
        return "the database does not answer"
    return "the disk is full" if reserve.is_disk_full() else ""


@requires_csrf_token
def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Say why a form failed the CSRF check, with its draft to send again where that can help."""
    refusal = csrf.explain_refusal(request, reason)
    events.refused_form(request, refusal.cause)
    if request.headers.get("HX-Request") == "true":
        return problem(request, 403, title=str(refusal.title), message=f"{refusal.message} {refusal.advice}")
    context = {
        "title": refusal.title,
        "message": refusal.message,
        "advice": refusal.advice,
        "status": 403,
        "draft": list(_refused_draft(request).items()) if refusal.may_pass else [],
    }
    return render(request, "403_csrf.html", context, status=403)


def _refused_draft(request: HttpRequest) -> dict[str, str]:
    """Return the fields that may come back into a page: of a form of a key that this console's own page sent.

    Other forms hold passwords, or the value of a key.
    """
    sent = request.POST  # a form that cannot be read is answered with 400 from here
    match = request.resolver_match
    is_key_form = match is not None and match.url_name in KEY_FORMS and request.user.is_authenticated
    if not is_key_form or request.headers.get("Sec-Fetch-Site") != "same-origin":
        return {}
    return drafts.fields_of(request) | {name: sent[name] for name in ("nonce",) if name in sent}


def _handler(status: int) -> Callable[[HttpRequest, Exception], HttpResponse]:
    """Return what Django calls for an exception that stands for this status."""
    return requires_csrf_token(lambda request, exception: problem(request, status))


bad_request, permission_denied, page_not_found = map(_handler, (400, 403, 404))


@requires_csrf_token
def server_error(request: HttpRequest) -> HttpResponse:
    """Answer for what a view or a middleware raised: Django calls this while it handles the exception."""
    return for_exception(request, sys.exc_info()[1])
