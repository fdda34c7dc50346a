"""What a view answers with: the list, a dialog over it, or the list in place of the one that is open."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from django.contrib import messages
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables
from django_htmx.http import HttpResponseClientRedirect, replace_url, reswap, retarget

from apikeys.backends import store_traits
from apikeys.domain import SERVICE_ID_PREFIX, ApiKeyPage, Caller, Owner, ServiceId, Sort
from apikeys.exceptions import NotAuthorized, StoreError, TooManyAttempts
from apikeys.iam.exports import Format
from apikeys.identity.callers import caller_of
from apikeys.identity.request import Request
from apikeys.services import keys, service_ids, unconfirmed
from apikeys.services.messages import sentence
from apikeys.web import drafts
from apikeys.web.filters import CREATED_SINCE, OWNER, given_filters
from apikeys.web.listing import (
    ListState,
    announcement,
    is_narrowed,
    nothing_found,
    order,
    position,
    rows_of,
    who_is_meant,
)
from apikeys.web.navigation import open_page

UNPROCESSABLE = 422
LIST = "list"  # id of all that a change of a key may change on the page of the list
# Each is templates/apikeys/_<name>.html; this is the title where it is a page of its own.
DIALOGS = {
    "create": _("Create API key"),
    "not_created": _("Create API key"),
    "created": _("API key created"),
    "details": _("Details"),
    "edit": _("Edit API key"),
    "delete": _("Delete key"),
    "deleted": _("Recently deleted"),
    "rotate": _("Rotate API key"),
    "revoke": _("Revoke all API keys"),
    "bulk_question": _("Change many API keys"),
    "bulk_run": _("Change many API keys"),
    "bulk_runs": _("Changes of many API keys"),
    "refusals": _("Why was it refused?"),
    "found": _("Whose key is this?"),
}


def with_retry_after(response: HttpResponse, error: TooManyAttempts) -> HttpResponse:
    """Return the response, which now says in how many seconds another attempt is judged."""
    response.headers["Retry-After"] = str(error.retry_after)
    return response


def state_of(request: Request) -> ListState:
    """Return which keys the URL asks for; all users' keys only for whom the store lists them."""
    return ListState.from_url(request.GET, may_see_all=keys.lists_whole_account(caller_of(request)))


def is_plain(request: Request, state: ListState) -> bool:
    """Tell whether the URL, which asks for this, asks for own keys, and has nothing that a stranger could have chosen.

    What is chosen from a few words of this console's own is no such thing; a date is.
    """
    query = state.query
    free = (query.search, query.cursor, query.whole_account, query.iam_id, CREATED_SINCE in query.filters.given())
    return not any(free) and state.url().removeprefix("?") == request.META.get("QUERY_STRING", "")


def service_of(caller: Caller, state: ListState) -> ServiceId | None:
    """Return the service ID whose keys the list has, None where it has others. Raises ServiceIdNotFound."""
    service_id = _service_id(state.query.iam_id)
    return service_ids.get_service_id(caller, service_id) if service_id else None


def list_context(request: Request) -> dict[str, Any]:
    """Return what the list's templates need, from the state in the URL."""
    caller = caller_of(request)
    state, page, owners = _listed(caller, state_of(request))
    base = reverse("api_key_list")
    nothing = nothing_found(state.query) if not state.whose else who_is_meant(len(owners))
    return {
        "state": state,
        "page": page,
        "rows": rows_of(page.keys, caller.identity, owners if state.view else {}, base, state.url()),
        "offers_all": keys.lists_whole_account(caller),
        "state_url": state.url(),
        "list_filters": [*_owner_filter(base, state, owners), *_filters_with_urls(base, state)],
        "owner_choices": [
            (owner.words, base + state.of_owner(iam_id).url()) for iam_id, owner in owners.items() if state.whose
        ],
        "list_facts": {
            "view": state.view,
            "sort": state.sort,
            "by": state.query.sort,
            "descending": state.query.descending,
            "page_size": state.query.page_size,
            "offers_all": keys.lists_whole_account(caller),
            "offers_last": page.last is not None or page.extent.total is not None,
        },
        "list_texts": {
            "search": state.query.search,
            "whose": state.whose or _typed_owner(state, owners),
            **_owner_urls(caller, owners.get(state.query.iam_id)),
            "state_url": state.url(),
            **_export_urls(base, state),
            "unsearched_url": base + state.without_search().url(),
            "unfiltered_url": base + state.without_filters().url(),
            "nothing_found": nothing,
            "position": position(page, state.query),
            "announcement": announcement(page, state.query) if page.keys else nothing,
            "order": order(state.query),
            **{f"sort_{sort}": base + state.sorted_by(sort).url() for sort in Sort},
            **_page_urls(base, state, page),
        },
    }


def _listed(caller: Caller, state: ListState) -> tuple[ListState, ApiKeyPage, dict[str, Owner]]:
    """Return a page with who owns its keys, in all users' keys; what was typed may mean nobody, or several owners.

    Raises ServiceIdNotFound for the keys of a service ID that the caller does not manage.
    """
    service = service_of(caller, state)
    if state.whose:
        return state, ApiKeyPage(()), {owner.iam_id: owner for owner in keys.find_owners(caller, state.whose)}
    page = keys.list_api_keys(caller, replace(state.query, counted=True))
    if not page.keys and state.query.cursor is not None:  # the rows beyond were deleted meanwhile
        state = state.at(None)
        page = keys.list_api_keys(caller, replace(state.query, counted=True))
    if not state.query.whole_account:
        return state, page, {service.iam_id: Owner(service.iam_id, service.name)} if service else {}
    return state, page, keys.owners_of(page.keys, *filter(None, [state.query.iam_id]))


def page_of_owner(caller: Caller, owner: Owner) -> str:
    """Return the address of the page about the owner of a key that the caller sees, "" where there is none for them."""
    if not (owner.name and store_traits().knows_values):
        return ""
    if owner.is_service_id:
        return reverse("service_id_details", args=[_service_id(owner.iam_id)])
    return reverse("person_details", args=[owner.iam_id]) if caller.identity.is_administrator else ""


def _owner_urls(caller: Caller, owner: Owner | None) -> dict[str, str]:
    """Return where the list of one owner's keys leads: to a service ID, or to a person."""
    url, is_service_id = (page_of_owner(caller, owner), owner.is_service_id) if owner else ("", False)
    return {"service_url": url if is_service_id else "", "person_url": "" if is_service_id else url}


def _service_id(iam_id: str) -> str:
    """Return the ID of the service ID that an IAM ID is of, "" for somebody else."""
    return iam_id.removeprefix("iam-") if iam_id.startswith(SERVICE_ID_PREFIX) else ""


def _owner_filter(base: str, state: ListState, owners: Mapping[str, Owner]) -> list[tuple[str, Any, str]]:
    """Return whose keys are listed, as a filter, where they are one owner's."""
    owner = owners.get(state.query.iam_id)
    return [(OWNER, owner.words, base + state.of_owner("").url())] if owner else []


def _filters_with_urls(base: str, state: ListState) -> list[tuple[str, Any, str]]:
    """Return name and value of each filter that is given, with the URL of the list without it."""
    return [
        (name, value, base + state.without_filters(name).url()) for name, value in given_filters(state.query.filters)
    ]


def _typed_owner(state: ListState, owners: Mapping[str, Owner]) -> str:
    """Return what somebody types to mean the owner whose keys are listed, "" for everybody's."""
    owner = owners.get(state.query.iam_id)
    return (owner.user_id or owner.iam_id) if owner else ""


def _export_urls(base: str, state: ListState) -> dict[str, str]:
    """Return the URLs of the exports of the whole list."""
    listed = state.at(None).url()
    return {f"export_{form}_url": f"{base}export/{listed}{'&' if listed else '?'}format={form}" for form in Format}


def _page_urls(base: str, state: ListState, page: ApiKeyPage) -> dict[str, str]:
    """Return the URLs of the pages that the pager leads to, "" for one that is not there."""
    cursors = {"previous_url": page.previous, "next_url": page.next, "last_url": page.last}
    urls = {name: base + state.at(cursor).url() if cursor else "" for name, cursor in cursors.items()}
    return urls | {"first_url": base + state.at(None).url() if page.previous else ""}


def page_context(request: Request) -> tuple[dict[str, Any], int]:
    """Return what the page around the list needs, and its status.

    Where the store does not answer, the sentence about it stands in place of the table.
    """
    caller, status = caller_of(request), 200
    try:
        context = list_context(request)
    except (StoreError, NotAuthorized) as exc:
        state = state_of(request)
        context = {"state": state, "state_url": state.url(), "store_problem": sentence(exc)}
        base = reverse("api_key_list")
        context |= {"page": ApiKeyPage(()), "retry_url": base + state.url()}
        if is_narrowed(state.query):
            context["whole_list_url"] = base + state.without_search().without_filters().url()
        status = exc.status
    listed = context["page"].keys
    context["unconfirmed"] = [
        (creation, unconfirmed.candidates_for(caller, creation, listed)) for creation in unconfirmed.creations(caller)
    ]
    return context, status


def dialog(request: Request, name: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
    """Return one of DIALOGS: alone for htmx, else as a page of its own over the list."""
    fragment = f"apikeys/_{name}.html"
    context |= {"dialog_id": name, "author": drafts.SIGNER.sign(request.user.iam_id)}
    if wants_fragment(request):
        return render(request, fragment, context | {"state_url": state_of(request).url()}, status=status)
    context = {"page_title": DIALOGS[name]} | context | {"fragment": fragment}
    return render(request, "apikeys/dialog.html", context | page_context(request)[0], status=status)


@sensitive_variables("context")
def shown_once(request: Request, template: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
    """Return the one page that has something which is told once, and keep it out of the browser's Back.

    It is no redirect: what it shows would have to wait somewhere. In its template that is `data-wiped`, as in
    `_once.html`, or as a field of a form: it leaves the page with the person.
    """
    request.shows_value = True
    return render(request, template, context, status=status)


def to_list(request: Request) -> HttpResponseBase:
    """Return to the list as it was looked at; where it is the page that is open, only what may have changed in it."""
    base = reverse("api_key_list")
    url = base + state_of(request).url()
    if not request.htmx:
        return see_other(url)
    return in_place(request) if urlsplit(open_page(request)).path == base else HttpResponseClientRedirect(url)


def in_place(request: Request) -> HttpResponse:
    """Return the list as it is now, with the messages, for the page that htmx asks from.

    The change has succeeded: where the store can't list the keys after it, the answer says so and is no error.
    """
    context = page_context(request)[0] | {"news": messages.get_messages(request)}
    response = render(request, "apikeys/_list.html", context)
    address = f"{reverse('api_key_list')}{context['state_url']}"
    return replace_url(reswap(retarget(response, f"#{LIST}"), "outerHTML"), address)


def see_other(url: str) -> HttpResponseBase:
    """Return a redirect that is followed with GET."""
    response = redirect(url)
    response.status_code = 303
    return response


def wants_fragment(request: Request) -> bool:
    """Tell whether htmx asks for a part of a page; after a Back that it has no snapshot for it wants all of it."""
    return bool(request.htmx) and not request.htmx.history_restore_request
