"""The index that searches ask is true after every change, whoever makes it, and comes back when it was lost."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.apps import apps
from django.db import connection
from django.db.models.signals import post_migrate

from apikeys.backends import finding
from apikeys.backends.embedded import EmbeddedBackend
from apikeys.domain import ApiKeyChanges, ApiKeyDraft, ApiKeyQuery, Condition, Filters, Match, Sort
from apikeys.models import ApiKeyRecord
from apikeys.storage import text_index
from tests.conftest import caller_for

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def long_lists(monkeypatch):
    """However few rows a list has, it is long enough for an index to be asked."""
    monkeypatch.setattr(finding, "NEAR", 0)
    monkeypatch.setattr(finding, "FAR", 0)


@pytest.fixture
def alices(alice) -> EmbeddedBackend:
    return EmbeddedBackend(caller_for(alice))


def found(backend: EmbeddedBackend, search: str, **asked: object) -> list[str]:
    return [key.name for key in backend.list_api_keys(ApiKeyQuery(search=search, **asked)).keys]


def run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def migrated() -> None:
    """Do what is done after each run of `migrate`."""
    post_migrate.send(apps.get_app_config("apikeys"), app_config=apps.get_app_config("apikeys"), verbosity=0,
                      interactive=False, using="default")  # fmt: skip


def test_what_is_written_beside_the_models_is_found_too(alices):
    first, second, third = (alices.create_api_key(ApiKeyDraft(name)).key for name in ("first", "second", "third"))

    ApiKeyRecord.objects.filter(id=first.id).update(name_folded="renamed")
    run(f"UPDATE apikeys_apikeyrecord SET description_folded = 'rewritten' WHERE id = '{second.id}'")  # noqa: S608
    run(f"DELETE FROM apikeys_apikeyrecord WHERE id = '{third.id}'")  # noqa: S608

    assert (found(alices, "renamed"), found(alices, "rewritten")) == (["first"], ["second"])
    assert [found(alices, search) for search in ("irst", "third")] == [[], []]


@pytest.mark.parametrize("sort", Sort)
@pytest.mark.parametrize("descending", [False, True])
def test_what_is_found_comes_in_the_order_of_the_list(alices, sort, descending):
    now = datetime.now(UTC)
    for number in range(12):  # in no order of time, several in one second, some of another second
        key = alices.create_api_key(ApiKeyDraft(f"deploy {number * 7 % 12}", f"number {number * 5 % 12}")).key
        ApiKeyRecord.objects.filter(id=key.id).update(created_at=now + timedelta(seconds=number * 5 % 4))
        alices.create_api_key(ApiKeyDraft("another"))
    query = ApiKeyQuery(sort=sort, descending=descending, page_size=100)
    whole = [key.name for key in alices.list_api_keys(query).keys if key.name != "another"]

    pages, cursor = [], None
    while not pages or cursor:
        page = alices.list_api_keys(
            ApiKeyQuery(search="deploy", sort=sort, descending=descending, page_size=5, cursor=cursor, counted=True)
        )
        pages.append(page)
        cursor = page.next

    assert [key.name for page in pages for key in page.keys] == whole
    assert [(page.extent.before, page.extent.total) for page in pages] == [(0, 12), (5, 12), (10, 12)]


def test_an_edit_that_changes_no_word_leaves_the_index_alone(alices):
    key = alices.create_api_key(ApiKeyDraft("terraform")).key

    alices.set_disabled(key.id, True)
    alices.update_api_key(key.id, ApiKeyChanges(expires_at=datetime(2099, 1, 1, tzinfo=UTC)), entity_tag="*")

    assert found(alices, "terraform") == ["terraform"]


@pytest.mark.sqlite
@pytest.mark.parametrize("trigger", text_index.TRIGGERS)
def test_after_each_migration_lost_triggers_are_there_again_and_the_index_is_true(alices, trigger):
    key = alices.create_api_key(ApiKeyDraft("before")).key
    run(f"DROP TRIGGER {trigger}")
    ApiKeyRecord.objects.filter(id=key.id).update(name_folded="meanwhile")
    alices.create_api_key(ApiKeyDraft("unseen"))

    migrated()

    assert [found(alices, search) for search in ("before", "meanwhile", "unseen")] == [[], ["before"], ["unseen"]]
    alices.delete_api_key(key.id)
    assert found(alices, "meanwhile") == []


@pytest.mark.sqlite
@pytest.mark.django_db(transaction=True)
def test_a_migration_that_remakes_the_table_of_keys_loses_nothing(alices):
    alices.create_api_key(ApiKeyDraft("before"))
    with connection.schema_editor() as editor:
        editor._remake_table(ApiKeyRecord)
    left = text_index._made(connection)

    migrated()
    alices.create_api_key(ApiKeyDraft("afterwards"))

    assert left.keys() == text_index.TABLES.keys()
    assert (found(alices, "before"), found(alices, "afterwards")) == (["before"], ["afterwards"])


@pytest.mark.sqlite
@pytest.mark.django_db(transaction=True)
def test_an_index_that_was_made_in_another_way_is_made_anew(alices):
    alices.create_api_key(ApiKeyDraft("before"))
    run(f"DROP TABLE {text_index.KEYTEXT}")
    run(f"CREATE VIRTUAL TABLE {text_index.KEYTEXT} USING fts5(name, description, hint, content='', columnsize=0)")

    migrated()

    assert found(alices, "efor") == ["before"]


@pytest.mark.sqlite
@pytest.mark.django_db(transaction=True)
def test_vacuum_renumbers_no_key(alices):
    keys = [alices.create_api_key(ApiKeyDraft(f"key {number}")).key for number in range(9)]
    for key in keys[:5]:
        alices.delete_api_key(key.id)

    run("VACUUM")

    assert [found(alices, key.name) for key in keys] == [[]] * 5 + [[key.name] for key in keys[5:]]


@pytest.mark.sqlite
def test_an_index_is_filled_in_steps_with_what_is_there(alices, monkeypatch):
    monkeypatch.setattr(text_index, "BATCH", 2)
    for number in range(5):
        alices.create_api_key(ApiKeyDraft(f"key {number}"))
    run(f"DROP VIEW {text_index.WHOLE}")

    migrated()

    assert text_index.is_whole(connection)
    assert found(alices, "key", page_size=10) == [f"key {number}" for number in (4, 3, 2, 1, 0)]


@pytest.mark.sqlite
def test_without_the_index_a_search_reads_the_keys(alices):
    run(f"DROP VIEW {text_index.WHOLE}")
    alices.create_api_key(ApiKeyDraft("terraform"))

    assert (found(alices, "terraform"), found(alices, "ansible")) == (["terraform"], [])


def test_a_key_is_found_by_its_hint_among_many(alices):
    hints = {key.hint: key.name for key in (alices.create_api_key(ApiKeyDraft(f"key {n}")).key for n in range(5))}

    for hint, name in hints.items():
        assert found(alices, hint) == found(alices, hint[-4:].swapcase()) == [name]
        assert found(alices, f"x{hint[-4:]}") == []


@pytest.mark.parametrize("near", [0, finding.NEAR])
def test_a_text_that_is_longer_than_all_others_is_in_none(alices, monkeypatch, near):
    """A letter may be eighteen once it is folded."""
    monkeypatch.setattr(finding, "NEAR", near)
    alices.create_api_key(ApiKeyDraft("a name", "\ufdfa" * 100))

    for attribute, text in (("name", "\ufdfa" * 4000), ("description", "\ufdfa" * 4000), ("id", "\ufdfa" * 4000)):
        query = ApiKeyQuery(conditions=(Condition(attribute, Match.CONTAINS, text),))
        assert alices.list_api_keys(query).keys == ()
    query = ApiKeyQuery(conditions=(Condition("description", Match.CONTAINS, "\ufdfa" * 60),))
    assert [key.name for key in alices.list_api_keys(query).keys] == ["a name"]


@pytest.mark.parametrize("sort", [Sort.NAME, Sort.CREATED])
@pytest.mark.parametrize("descending", [False, True])
def test_what_is_found_among_many_is_all_there_however_few_are_sorted_or_asked_about_at_once(
    alices, monkeypatch, sort, descending
):
    monkeypatch.setattr(finding, "MOST_SORTED", 4)
    monkeypatch.setattr(finding, "AT_ONCE", 2)
    keys = [alices.create_api_key(ApiKeyDraft(f"key {number:02}")).key for number in range(12)]
    for number, key in enumerate(keys):  # all of one second, the oldest half of them leaked
        created = datetime(2026, 1, 2, 3, 4, 5, number, tzinfo=UTC)
        ApiKeyRecord.objects.filter(id=key.id).update(created_at=created, leaked=number < 6)
    query = ApiKeyQuery(
        search="key", filters=Filters(leaked=True), sort=sort, descending=descending, counted=True, page_size=4
    )

    first = alices.list_api_keys(query)
    second = alices.list_api_keys(replace(query, cursor=first.next))

    names = [f"key {number:02}" for number in range(6)]
    assert [key.name for key in (*first.keys, *second.keys)] == (names[::-1] if descending else names)
    assert (first.extent.total, second.extent.total, second.next) == (6, 6, None)
