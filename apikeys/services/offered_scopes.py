"""What a key can be limited to, for people: the names of this API, and those that administrators define."""

from django.db import IntegrityError, transaction
from django.db.models import Value
from django.db.models.functions import Concat
from django.utils.translation import gettext

from apikeys import audit, scopes
from apikeys.domain import Caller, Scope
from apikeys.exceptions import InvalidApiKey, ScopeInUse, ScopeNotFound
from apikeys.exceptions import gettext_noop as _
from apikeys.identity.callers import check_administrator
from apikeys.models import ApiKeyRecord, DeletedKeyRecord, ScopeRecord
from apikeys.services import narrowing
from apikeys.services.validation import clean_sentence

MOST = 100  # a form offers them all

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


def get(caller: Caller, name: str) -> Scope:
    """Return what an administrator has defined. Raises ScopeNotFound, NotAuthorized."""
    check_administrator(caller)
    record = _record(name)
    return Scope(record.name, record.sentence)


def define(caller: Caller, name: str, sentence: str) -> Scope:
    """Define what keys can be limited to. Raises InvalidApiKey, also for a name that there is; NotAuthorized."""
    name, sentence = scopes.clean_name(name), clean_sentence(sentence)
    with audit.change(caller, audit.SCOPE_CREATE, target_name=name) as step:
        check_administrator(caller)
        if ScopeRecord.objects.count() >= MOST:
            raise InvalidApiKey("name", _("There can be %(limit)d scopes. Delete one that no key has."), limit=MOST)
        try:
            with transaction.atomic():
                ScopeRecord.objects.create(name=name, sentence=sentence, created_by=caller.identity.iam_id)
        except IntegrityError:
            raise InvalidApiKey("name", _("There is a scope with this name already.")) from None
        step.record(None, target_name=name, sentence=sentence)
    return Scope(name, sentence)


def reword(caller: Caller, name: str, sentence: str) -> Scope:
    """Say in other words what a scope allows. Raises InvalidApiKey, ScopeNotFound, NotAuthorized."""
    sentence = clean_sentence(sentence)
    with audit.change(caller, audit.SCOPE_UPDATE, target_name=_told(name)) as step:
        before = get(caller, name)
        ScopeRecord.objects.filter(name=name).update(sentence=sentence)
        step.record(None, target_name=name, sentence=sentence, prev_sentence=before.sentence)
    return Scope(name, sentence)


def delete(caller: Caller, name: str) -> None:
    """Delete a scope. Raises ScopeInUse where a key has it, also a deleted one; ScopeNotFound, NotAuthorized."""
    with audit.change(caller, audit.SCOPE_DELETE, target_name=_told(name)) as step:
        check_administrator(caller)
        record = _record(name)
        if number := _keys_with(name):
            raise ScopeInUse(name=name, number=number)
        record.delete()
        step.record(None, target_name=name)


def _told(name: str) -> str:
    """Return a name as the audit tells it, "" for what can be none."""
    return name if scopes.NAME.fullmatch(name) else ""


def _record(name: str) -> ScopeRecord:
    found = ScopeRecord.objects.filter(name=_told(name)).first()
    if found is None:
        raise ScopeNotFound
    return found


def _keys_with(name: str) -> int:
    """Return how many keys are limited to a scope, those that can be restored included."""
    names = Concat(Value(" "), "scope", Value(" "))
    limited = (table.objects.exclude(scope="").alias(names=names) for table in (ApiKeyRecord, DeletedKeyRecord))
    return sum(keys.filter(names__contains=f" {name} ").count() for keys in limited)
