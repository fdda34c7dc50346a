"""Manage > Security > Review > Rules: what is done by itself, shown before it is set."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from apikeys.domain import MAX_DAYS, REVIEW_STEPS, Caller, ReviewKind, ReviewRule, ReviewStep
from apikeys.exceptions import InvalidApiKey
from apikeys.identity.callers import caller_of
from apikeys.identity.request import Request
from apikeys.services import review_rules
from apikeys.services.messages import sentence
from apikeys.services.review_rules import FORESEEN, Foresight
from apikeys.web.forms import sent_form
from apikeys.web.responses import UNPROCESSABLE, see_other

LABELS = {
    ReviewStep.WARN: gettext_lazy("Days until the warning"),
    ReviewStep.DISABLE: gettext_lazy("Days until it is disabled"),
    ReviewStep.DELETE: gettext_lazy("Days until it is deleted"),
}
SAVE = "save"  # the button that is there once it was shown what the rules would do


class Shown(NamedTuple):
    """A rule as the page shows it: its fields, and what it would do until tomorrow, None where that is not known."""

    kind: ReviewKind
    fields: list[forms.BoundField]
    foresight: Foresight | None


class ReviewRulesForm(forms.Form):
    """A number of days for each step of each group, none where the step is not taken."""

    def __init__(self, sent: Any, rules: Iterable[ReviewRule]) -> None:
        initial = {f"{rule.kind}-{step}": rule.days_until(step) for rule, step in _steps_of(rules)}
        super().__init__(sent, initial=initial)
        for kind, steps in REVIEW_STEPS.items():
            for step in steps:
                self.fields[f"{kind}-{step}"] = forms.IntegerField(
                    label=LABELS[step],
                    required=False,
                    min_value=0,
                    max_value=MAX_DAYS,
                    show_hidden_initial=True,  # what another administrator changes meanwhile stays
                )

    def clean(self) -> dict[str, Any]:
        for rule in self.rules():
            try:
                review_rules.check(rule)
            except InvalidApiKey as exc:
                self.add_error(f"{rule.kind}-{ReviewStep.DELETE}", sentence(exc))
        return self.cleaned_data

    def rules(self) -> list[ReviewRule]:
        """Return the rules as they were sent."""
        return [
            ReviewRule(kind, **{f"{step}_days": self.cleaned_data.get(f"{kind}-{step}") for step in steps})
            for kind, steps in REVIEW_STEPS.items()
        ]

    def changed(self) -> list[ReviewRule]:
        """Return the rules that were changed since the form was opened, as they were sent."""
        changed = {name.rpartition("-")[0] for name in self.changed_data}
        return [rule for rule in self.rules() if rule.kind in changed]

    def initially(self) -> list[str]:
        """Return the hidden elements that say what each field was when the form was opened."""
        return [self[name].as_hidden(only_initial=True) for name in self.fields]

    def fields_of(self, kind: ReviewKind) -> list[forms.BoundField]:
        return [self[f"{kind}-{step}"] for step in REVIEW_STEPS[kind]]


def _steps_of(rules: Iterable[ReviewRule]) -> Iterator[tuple[ReviewRule, ReviewStep]]:
    return ((rule, step) for rule in rules for step in REVIEW_STEPS[rule.kind])


@require_http_methods(["GET", "POST"])
def review_rules_page(request: Request) -> HttpResponseBase:
    """The rules and what they would do until tomorrow; they are saved from where that was shown."""
    caller = caller_of(request)
    held = list(review_rules.rules_of(caller).values())
    form = ReviewRulesForm(sent_form(request), held)
    if not form.is_bound:
        return _page(request, caller, form, held)
    if not form.is_valid():
        return _page(request, caller, form, [], status=UNPROCESSABLE)
    if SAVE not in request.POST:
        return _page(request, caller, form, form.rules(), can_be_saved=True)
    review_rules.change(caller, form.changed())
    messages.success(request, _("The rules were saved."))
    return see_other(reverse("review_rules"))


def _page(
    request: Request,
    caller: Caller,
    form: ReviewRulesForm,
    rules: Iterable[ReviewRule],
    *,
    can_be_saved: bool = False,
    status: int = 200,
) -> HttpResponse:
    foreseen = {rule.kind: review_rules.foresee(caller, rule) for rule in rules}
    shown = [Shown(kind, form.fields_of(kind), foreseen.get(kind)) for kind in ReviewKind]
    context = {"form": form, "shown": shown, "is_foreseen": bool(foreseen), "can_be_saved": can_be_saved}
    return render(request, "apikeys/review_rules.html", context | {"foreseen": FORESEEN}, status=status)
