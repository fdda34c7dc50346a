"""What a key may do, as a person says it in the forms and reads it in the details."""

import pytest
from django.test import Client

from apikeys import scopes
from apikeys.models import ApiKeyRecord, AuditEvent, HistoryRecord, ScopeRecord
from apikeys.values import generate
from tests.addresses import CREATE, KEYS, details_address, edit_address
from tests.markup import Element, described_by, fields, page
from tests.test_drafts import HTMX, enter, open_form, send_without_session
from tests.test_networks_pages import facts, form_of

READ, WRITE, BILLING, LOGS = scopes.READ, scopes.WRITE, "billing:read", "logs:write"
EVERYTHING, CHOSEN = "", "chosen"
WHOLE = "Everything that its owner may do"


@pytest.fixture(autouse=True)
def defined(db):
    """Two scopes, which Dora defined for services behind the console."""
    for name, sentence in ((LOGS, "Write logs"), (BILLING, "Read invoices")):
        ScopeRecord.objects.create(name=name, sentence=sentence, created_by="IBMid-dora")


def open_edit(client: Client, key_id: str) -> dict:
    return form_of(client.get(edit_address(key_id)), "edit")


def boxes(answer, dialog: str) -> dict[str, bool]:
    """Return each box of the form and whether it is ticked."""
    form = page(answer).find("form", id=f"{dialog}-form")
    return {box["value"]: "checked" in box for box in form.find_all("input", name="scopes")}


def kept() -> str:
    return ApiKeyRecord.objects.get().scope


def told_beside_the_boxes(tree: Element) -> str:
    return described_by(tree, tree.find("fieldset"))


def test_the_form_offers_everything_and_each_scope_with_its_sentence(alice_client):
    answer = alice_client.get(CREATE)

    form = page(answer).find("form", id="create-form")
    assert boxes(answer, "create") == {READ: False, WRITE: False, BILLING: False, LOGS: False}
    assert [label.text for label in form.find("fieldset").find_all("label")] == [
        f"{READ} Look at API keys and service IDs, through the API of this console",
        f"{WRITE} Do everything through the API of this console",
        f"{BILLING} Read invoices",
        f"{LOGS} Write logs",
    ]
    assert fields(form)["allowed"] == EVERYTHING


@pytest.mark.parametrize(
    ("allowed", "ticked", "scope"),
    [
        (EVERYTHING, [], ""),
        (EVERYTHING, [BILLING], ""),  # ticked, and then hidden by the choice above
        (READ, [BILLING], READ),
        (CHOSEN, [LOGS, BILLING, READ], f"{READ} {BILLING} {LOGS}"),
        (CHOSEN, [WRITE], WRITE),
    ],
)
def test_alice_creates_a_key_that_may_do_what_she_chose(alice_client, allowed, ticked, scope):
    form = form_of(alice_client.get(CREATE), "create")

    answer = alice_client.post(CREATE, form | {"name": "terraform", "allowed": allowed, "scopes": ticked})

    assert answer.status_code == 200
    assert kept() == scope
    if scope:
        assert [part.text.split()[0] for part in page(answer).find("dl").find_all("li")] == scope.split()
    else:
        assert page(answer).find_all("dl") == []


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ({"allowed": CHOSEN}, "Choose at least one scope."),
        ({"allowed": CHOSEN, "scopes": [BILLING, "nobody:knows"]}, "There is no scope nobody:knows."),
        ({"allowed": CHOSEN, "scopes": ["a\0b"]}, "There is no scope a"),
    ],
)
def test_what_can_be_no_scope_is_said_beside_the_boxes_and_what_was_ticked_stays(alice_client, sent, told):
    form = form_of(alice_client.get(CREATE), "create")

    answer = alice_client.post(CREATE, form | {"name": "terraform"} | sent)

    assert answer.status_code == 422
    assert told_beside_the_boxes(page(answer)).startswith(told)
    assert [name for name, ticked in boxes(answer, "create").items() if ticked] == [
        name for name in sent.get("scopes", []) if name == BILLING
    ]
    assert not ApiKeyRecord.objects.exists()


def test_what_was_ticked_stays_where_something_else_is_wrong(alice_client):
    form = form_of(alice_client.get(CREATE), "create")

    answer = alice_client.post(CREATE, form | {"nonce": "forged", "allowed": CHOSEN, "scopes": [BILLING, READ]})

    again = form_of(answer, "create")
    assert answer.status_code == 422
    assert (again["allowed"], again["scopes"]) == (CHOSEN, [READ, BILLING])


def test_what_was_ticked_is_there_again_after_the_log_in(alice_client):
    form = open_form(alice_client) | {"name": "terraform", "allowed": CHOSEN, "scopes": [BILLING, READ]}

    enter(alice_client, send_without_session(alice_client, form, headers=HTMX))
    again = open_form(alice_client)

    assert (again["allowed"], again["scopes"]) == (CHOSEN, [READ, BILLING])


@pytest.mark.parametrize(
    ("scope", "allowed", "ticked"),
    [("", EVERYTHING, []), (READ, READ, [READ]), (f"{BILLING} {READ}", CHOSEN, [READ, BILLING])],
)
def test_the_edit_form_begins_with_what_the_key_may_do(alice_client, alice, create_key, scope, allowed, ticked):
    key = create_key(alice, scope=scope).key

    form = open_edit(alice_client, key.id)

    assert (form["allowed"], form.get("scopes", [])) == (allowed, ticked)


@pytest.mark.parametrize("scope", ["", READ, f"{READ} {BILLING}"])
def test_an_edit_of_something_else_leaves_what_the_key_may_do(alice_client, alice, create_key, scope):
    """So does a form of the release before, which has none of these fields."""
    key = create_key(alice, scope=scope).key
    older = {"name": "opentofu", "description": "", "expires": ""}

    for change in (open_edit(alice_client, key.id) | {"name": "tofu"}, older):
        entity_tag = open_edit(alice_client, key.id)["entity_tag"]
        assert alice_client.post(edit_address(key.id), change | {"entity_tag": entity_tag}).status_code == 303

    assert (ApiKeyRecord.objects.get().name, kept()) == ("opentofu", scope)
    assert not [entry for entry in HistoryRecord.objects.all() if "scope" in entry.params]


def test_alice_narrows_and_widens_a_key_and_the_audit_tells_it(alice_client, alice, create_key):
    key = create_key(alice, scope=f"{READ} {BILLING}").key

    narrower = open_edit(alice_client, key.id) | {"scopes": [BILLING]}
    alice_client.post(edit_address(key.id), narrower)
    narrowed = kept()
    alice_client.post(edit_address(key.id), open_edit(alice_client, key.id) | {"allowed": EVERYTHING})

    events = [
        event.request_data for event in AuditEvent.objects.filter(action__endswith=".update").order_by("event_time")
    ]
    assert (narrowed, kept()) == (BILLING, "")
    assert [(told["prev_scope"], told["scope"]) for told in events] == [(f"{READ} {BILLING}", BILLING), (BILLING, "")]


def test_what_another_tab_changed_is_shown_and_stays(alice_client, alices_key):
    key_id = alices_key.key.id
    first, second = (open_edit(alice_client, key_id) for _ in range(2))
    alice_client.post(edit_address(key_id), first | {"allowed": READ})

    stale = alice_client.post(edit_address(key_id), second | {"name": "tofu"})

    assert stale.status_code == 409
    assert READ in page(stale).find(class_="msg msg--warning").text
    alice_client.post(edit_address(key_id), form_of(stale, "edit"))
    assert (ApiKeyRecord.objects.get().name, kept()) == ("tofu", READ)


def test_the_details_tell_what_a_key_may_do(alice_client, alice, create_key):
    limited, whole = create_key(alice, "a", scope=f"{BILLING} {READ}").key, create_key(alice, "b").key

    told = [facts(alice_client.get(details_address(key.id)))["What the key may do"] for key in (limited, whole)]

    look = "Look at API keys and service IDs, through the API of this console"
    assert told == [f"{READ} {look} {BILLING} Read invoices", WHOLE]


def test_the_list_marks_the_keys_that_may_not_do_everything(alice_client, alice, create_key):
    for name, scope in (("looks", READ), ("reads invoices", f"{READ} {BILLING}"), ("whole", "")):
        create_key(alice, name, scope=scope)

    rows = page(alice_client.get(KEYS)).find("tbody").find_all("tr")

    assert {row.find("th").text: row.find("td", class_="c-status").text for row in rows} == {
        "looks": "Active Read only",
        "reads invoices": "Active Some scopes only",
        "whole": "Active",
    }


@pytest.mark.parametrize(
    ("given", "allowed", "ticked"),
    [(READ, READ, [READ]), (f"{BILLING} {READ}", CHOSEN, [READ, BILLING]), (WRITE, CHOSEN, [WRITE])],
)
def test_a_link_chooses_scopes(alice_client, given, allowed, ticked):
    form = form_of(alice_client.get(CREATE, {"name": "terraform", "scope": given}), "create")

    assert (form["allowed"], form["scopes"]) == (allowed, ticked)


def test_a_value_where_a_scope_belongs_is_not_repeated(alice_client, settings):
    value = generate(settings.APIKEYS_PREFIX)
    form = form_of(alice_client.get(CREATE), "create") | {"name": "terraform", "allowed": CHOSEN, "scopes": [value]}

    answer = alice_client.post(CREATE, form)

    assert "There is no scope" in told_beside_the_boxes(page(answer))
    assert value not in answer.content.decode()


def test_a_link_that_names_no_scope_that_there_is_says_so(alice_client):
    answer = alice_client.get(CREATE, {"scope": "nobody:knows"})

    assert told_beside_the_boxes(page(answer)) == "There is no scope nobody:knows."
