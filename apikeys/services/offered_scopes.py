"""What a key can be limited to, for people: the names of this API, and those that administrators define."""

from django.utils.translation import gettext

from apikeys import scopes
from apikeys.domain import Scope
from apikeys.exceptions import gettext_noop as _
from apikeys.models import ScopeRecord
from apikeys.services import narrowing

SENTENCES = {
    scopes.READ: _("Look at API keys and service IDs, through the API of this console"),
    scopes.WRITE: _("Do everything through the API of this console"),
}


def offered() -> list[Scope]:
    """Return all that a key can be limited to: of this API first, then by name."""
    return [*_built_in(), *defined()]


def defined() -> list[Scope]:
    """Return what administrators have defined, by name."""
    return [Scope(record.name, record.sentence) for record in ScopeRecord.objects.order_by("name")]


def described(scope: str) -> list[Scope]:
    """Return what a key is limited to, in the order of `offered`; nothing where it may do everything."""
    names = scopes.listed(scope)
    if {*names} <= SENTENCES.keys():
        return [each for each in _built_in() if each.name in names]
    return [each for each in offered() if each.name in names]


def _built_in() -> list[Scope]:
    return [Scope(name, gettext(sentence)) for name, sentence in SENTENCES.items()]


def clean(text: str) -> str:
    """Return names with white space between them as the text of a scope. Raises InvalidApiKey for one there is not."""
    scope = scopes.clean(text.split())
    narrowing.check_known(scope)
    return scope
