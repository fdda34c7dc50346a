"""Something is done to many keys: what was ticked is noted, confirmed, done in pieces, and reported."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.contrib import messages
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from apikeys.domain import MOST_AT_ONCE, ApiKey, BulkAction, BulkRun, Caller
from apikeys.exceptions import InvalidApiKey
from apikeys.identity.callers import caller_of
from apikeys.identity.request import Request
from apikeys.services import bulk
from apikeys.services.messages import sentence
from apikeys.web.background import background
from apikeys.web.responses import dialog, see_other, state_of, to_list

PIECE = timedelta(milliseconds=500)  # of a run whose progress is seen
LONG_PIECE = timedelta(seconds=8)  # where somebody has to ask for each
NAMED = 10  # keys that are named before all of them are


@dataclass(frozen=True)
class Words:
    """What is said of an action; each of these takes how many keys there are."""

    question: Callable[[int], str]
    consequence: Callable[[], str]
    button: Callable[[], str]
    doing: Callable[[], str]
    done: Callable[[int], str]


WORDS = {
    BulkAction.DISABLE: Words(
        lambda n: ngettext("Disable %(number)s API key?", "Disable %(number)s API keys?", n),
        lambda: _("Programs that use them are refused at once, until the keys are enabled."),
        lambda: _("Disable"),
        lambda: _("Disabling API keys"),
        lambda n: ngettext("%(number)s API key was disabled.", "%(number)s API keys were disabled.", n),
    ),
    BulkAction.ENABLE: Words(
        lambda n: ngettext("Enable %(number)s API key?", "Enable %(number)s API keys?", n),
        lambda: _("Programs that use them work again."),
        lambda: _("Enable"),
        lambda: _("Enabling API keys"),
        lambda n: ngettext("%(number)s API key was enabled.", "%(number)s API keys were enabled.", n),
    ),
    BulkAction.LOCK: Words(
        lambda n: ngettext("Lock %(number)s API key?", "Lock %(number)s API keys?", n),
        lambda: _("They go on working, but can't be changed or deleted until they are unlocked."),
        lambda: _("Lock"),
        lambda: _("Locking API keys"),
        lambda n: ngettext("%(number)s API key was locked.", "%(number)s API keys were locked.", n),
    ),
    BulkAction.UNLOCK: Words(
        lambda n: ngettext("Unlock %(number)s API key?", "Unlock %(number)s API keys?", n),
        lambda: _("They can be changed and deleted again."),
        lambda: _("Unlock"),
        lambda: _("Unlocking API keys"),
        lambda n: ngettext("%(number)s API key was unlocked.", "%(number)s API keys were unlocked.", n),
    ),
    BulkAction.DELETE: Words(
        lambda n: ngettext("Delete %(number)s API key?", "Delete %(number)s API keys?", n),
        lambda: _("Programs that use them lose access at once."),
        lambda: _("Delete"),
        lambda: _("Deleting API keys"),
        lambda n: ngettext("%(number)s API key was deleted.", "%(number)s API keys were deleted.", n),
    ),
}


@require_http_methods(["GET", "POST"])
def api_keys_bulk(request: Request) -> HttpResponseBase:
    """Show what was done to many keys lately; or note what is to be done to the ticked ones, or all of a list."""
    caller = caller_of(request)
    if request.method == "GET":
        return dialog(request, "bulk_runs", {"runs": [RunTold(run) for run in bulk.recent(caller)]})
    try:
        action = _action(request.POST.get("action", ""))
        selected, has_more = _selected(request, caller)
        run = bulk.prepare(caller, action, selected)
    except InvalidApiKey as exc:
        messages.error(request, sentence(exc))
        return to_list(request)
    name = "api_keys_bulk_first" if has_more else "api_keys_bulk_run"
    return see_other(reverse(name, args=[run.id]) + state_of(request).url())


def _selected(request: Request, caller: Caller) -> tuple[list[ApiKey], bool]:
    """Return what was ticked, and whether more keys match. Raises InvalidApiKey."""
    if not request.POST.get("all"):
        return bulk.chosen(caller, request.POST.getlist("key")), False
    state = state_of(request)
    if state.whose:  # it is not settled whose keys are meant
        raise InvalidApiKey("keys", bulk.CHOOSE)
    return bulk.matching(caller, state.query)


def _action(text: str) -> BulkAction:
    """Return an action. Raises InvalidApiKey."""
    try:
        return BulkAction(text)
    except ValueError:
        raise InvalidApiKey("action", bulk.CHOOSE) from None


@background
@require_http_methods(["GET", "POST"])
def api_keys_bulk_run(request: Request, run_id: uuid.UUID, *, has_more: bool = False) -> HttpResponseBase:
    """Ask before a run begins, do a piece of it, and show how far it is or what could not be done."""
    caller, here = caller_of(request), reverse("api_keys_bulk_run", args=[run_id])
    if request.method == "POST":
        bulk.go_on(caller, run_id, PIECE if request.htmx else LONG_PIECE)
        return see_other(here + state_of(request).url())
    run = bulk.get_run(caller, run_id)
    shown = RunTold(run)
    context = {"run": shown, "page_title": shown.title, "run_url": here}
    context |= {"has_more": has_more, "most": f"{MOST_AT_ONCE:,}"}
    if run.action is BulkAction.DELETE:
        context |= {"restore_hours": settings.APIKEYS_RESTORE_HOURS}
    return dialog(request, "bulk_run" if run.is_begun else "bulk_question", context)


class RunTold:
    """What a page says of a run."""

    def __init__(self, run: BulkRun) -> None:
        words, total = WORDS[run.action], len(run.keys)
        self.run = run
        self.action = run.action
        self.total, self.done = total, run.done
        self.total_told, self.done_told = f"{total:,}", f"{run.done:,}"
        self.question = words.question(total) % {"number": self.total_told}
        self.consequence, self.button, self.doing = words.consequence(), words.button(), words.doing()
        self.result = words.done(run.succeeded) % {"number": f"{run.succeeded:,}"}
        self.title = (self.result if run.is_finished else self.doing) if run.is_begun else self.question
        names = [name for _id, name in run.keys]
        self.named, self.others = names[:NAMED], names[NAMED:]
        self.failures = [(failure.name or failure.key_id, sentence(failure)) for failure in run.failures]
