"""Manage > Security > Webhooks, for administrators."""

import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apikeys.exceptions import InvalidApiKey, TooManyWebhooks
from apikeys.identity.callers import caller_of, check_administrator
from apikeys.identity.request import Request
from apikeys.services.messages import sentence
from apikeys.web.forms import sent_form
from apikeys.web.responses import UNPROCESSABLE, see_other, shown_once
from console.webhooks import changes
from console.webhooks.changes import Signing
from console.webhooks.forms import SecretForm, SinceForm, WebhookForm
from console.webhooks.models import Webhook
from console.webhooks.results import shown


@require_GET
def webhook_list(request: Request) -> HttpResponseBase:
    """Every webhook, and how its receiver does."""
    return render(request, "webhooks/list.html", {"webhooks": changes.listed(caller_of(request))})


@require_http_methods(["GET", "POST"])
@sensitive_post_parameters("url")
@sensitive_variables("form", "made")
def webhook_create(request: Request) -> HttpResponseBase:
    """A form for a new webhook, whose secret is shown once."""
    caller = caller_of(request)
    check_administrator(caller)
    form = WebhookForm(sent_form(request))
    if form.is_valid():
        try:
            made = changes.create(caller, form.draft(enabled=True))
        except InvalidApiKey as exc:
            form.add_error(exc.field, sentence(exc))
        except TooManyWebhooks as exc:
            form.add_error(None, sentence(exc))
        else:
            return _show_secret(request, made, _("Webhook created"))
    return render(request, "webhooks/create.html", {"form": form}, status=UNPROCESSABLE if form.errors else 200)


@require_http_methods(["GET", "POST"])
@sensitive_post_parameters("url")
@sensitive_variables("form")
def webhook_details(request: Request, webhook_id: uuid.UUID) -> HttpResponseBase:
    """What a webhook is, to be changed, what was sent to it, and what else can be done with it."""
    caller = caller_of(request)
    webhook = changes.get(caller, webhook_id)
    form = WebhookForm(sent_form(request), initial=WebhookForm.of(webhook))
    if form.is_valid():
        try:
            changes.change(caller, webhook_id, form.draft())
        except InvalidApiKey as exc:
            form.add_error(exc.field, sentence(exc))
        else:
            messages.success(request, _("The changes to %(name)s were saved.") % {"name": webhook})
            return see_other(reverse("webhook_details", args=[webhook_id]))
    return _drawn(request, webhook, form, SinceForm())


@require_POST
def webhook_test(request: Request, webhook_id: uuid.UUID) -> HttpResponseBase:
    """Send a test, whose result is among the deliveries."""
    changes.send_test(caller_of(request), webhook_id)
    messages.success(request, _("A test is on its way. Load this page again to see its result."))
    return see_other(reverse("webhook_details", args=[webhook_id]))


@require_POST
@sensitive_variables("made")
def webhook_secret(request: Request, webhook_id: uuid.UUID) -> HttpResponseBase:
    """Another secret, shown once."""
    form = SecretForm(request.POST)
    form.full_clean()
    made = changes.new_secret(caller_of(request), webhook_id, at_once=form.cleaned_data["at_once"])
    return _show_secret(request, made, _("New secret"))


@require_POST
def webhook_again(request: Request, webhook_id: uuid.UUID, delivery_id: uuid.UUID) -> HttpResponseBase:
    """Send one message again."""
    changes.send_again(caller_of(request), webhook_id, delivery_id)
    messages.success(request, _("The message is on its way again. Load this page again to see its result."))
    return see_other(reverse("webhook_details", args=[webhook_id]))


@require_POST
def webhook_since(request: Request, webhook_id: uuid.UUID) -> HttpResponseBase:
    """Send everything again that happened since a moment of the reader's clocks."""
    caller = caller_of(request)
    webhook = changes.get(caller, webhook_id)
    form = SinceForm(request.POST)
    if not form.is_valid():
        return _drawn(request, webhook, WebhookForm(initial=WebhookForm.of(webhook)), form)
    changes.send_again_since(caller, webhook_id, form.cleaned_data["since"])
    messages.success(request, _("What happened since then is sent again, as far as it is kept."))
    return see_other(reverse("webhook_details", args=[webhook_id]))


@require_POST
def webhook_delete(request: Request, webhook_id: uuid.UUID) -> HttpResponseBase:
    """Delete a webhook."""
    webhook = changes.delete(caller_of(request), webhook_id)
    messages.success(request, _("%(name)s was deleted.") % {"name": webhook})
    return see_other(reverse("webhooks"))


@sensitive_variables("form", "context")
def _drawn(request: Request, webhook: Webhook, form: WebhookForm, since: SinceForm) -> HttpResponse:
    context: dict[str, Any] = {"webhook": webhook, "form": form, "since_form": since}
    context["has_previous"] = webhook.has_previous(timezone.now())
    context["deliveries"] = [shown(delivery) for delivery in changes.deliveries_of(webhook)]
    return render(
        request, "webhooks/details.html", context, status=UNPROCESSABLE if form.errors or since.errors else 200
    )


@sensitive_variables("made", "context")
def _show_secret(request: Request, made: Signing, title: str) -> HttpResponse:
    context = {"webhook": made.webhook, "secret": made.secret, "page_title": title}
    return shown_once(request, "webhooks/secret.html", context)
