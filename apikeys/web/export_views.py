"""The list as a file."""

from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from apikeys.exceptions import BadRequest
from apikeys.exceptions import gettext_noop as _
from apikeys.iam.exports import BYTE_ORDER_MARK, Format
from apikeys.identity.callers import caller_of
from apikeys.identity.request import Request
from apikeys.services.exporting import Export
from apikeys.web import responses

TYPES = {Format.CSV: "text/csv; charset=utf-8", Format.JSON: "application/json"}


class InParts(StreamingHttpResponse):
    """A response that the server sends as it is made."""

    is_sent_in_parts = True


@require_GET
def api_key_export(request: Request) -> HttpResponseBase:
    """All that the list of this URL shows, from its first row, as a download."""
    state = responses.state_of(request)
    if state.whose:  # nobody in particular: the list asks who is meant
        return responses.see_other(reverse("api_key_list") + state.url())
    form = format_of(request)
    export = Export(caller_of(request), state.query, form, before=BYTE_ORDER_MARK if form is Format.CSV else "")
    name = f"api-keys-{timezone.now():%Y-%m-%d}.{form}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return InParts(export, content_type=TYPES[form], headers=headers)


def format_of(request: Request) -> Format:
    """Return the format that a URL asks for. Raises BadRequest."""
    try:
        return Format(request.GET.get("format", ""))
    except ValueError:
        raise BadRequest("format", _("Choose csv or json as the format of an export.")) from None
