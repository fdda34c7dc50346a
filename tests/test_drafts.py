"""A form whose session ended: everything that was typed comes back after the log-in, nothing that the page knew."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from apikeys.models import ApiKeyRecord
from apikeys.web import drafts
from apikeys.web.forms import CreateForm, EditForm, new_nonce
from console.models import Session
from tests.addresses import CREATE, KEYS, edit_address
from tests.cast import PASSWORD
from tests.markup import fields, page
from tests.stores import tables_with
from tests.test_sessions import next_of

NOT_KEPT = {"nonce", "account"}  # the one is a secret, the other is asked anew
DRAFT = {"name": "o'neill<b>&\"", "description": "many words", "expires": "90", "action_when_leaked": "disable"}
HTMX = {"HX-Request": "true", "HX-Current-URL": f"http://testserver{KEYS}"}

with_and_without_script = pytest.mark.parametrize("headers", [HTMX, {}], ids=["htmx", "plain form"])


def log_out_in_another_tab(client: Client) -> None:
    client.post("/logout/")


def twelve_hours_pass(client: Client) -> None:
    Session.objects.update(expire_date=timezone.now())


def an_hour_passes(client: Client) -> None:
    Session.objects.update(last_used_at=timezone.now() - timedelta(hours=1))


def open_form(client: Client, address: str = CREATE) -> dict[str, str]:
    return fields(page(client.get(address)).find_all("form", class_="form", action=address)[0])


def send_without_session(client: Client, form: dict[str, str], address: str = CREATE, headers=HTMX, end=None) -> str:
    """Send the form once its session has ended, and return the address of the log-in page that answers."""
    (end or log_out_in_another_tab)(client)
    response = client.post(address, form, headers=headers)
    assert response.status_code == (401 if headers else 302)
    return response["HX-Redirect"] if headers else response["Location"]


def enter(client: Client, login: str, username: str = "alice") -> str:
    """Log in there and return where that leads."""
    form = {"username": username, "password": PASSWORD, "next": next_of(login)}
    return client.post("/login/", form)["Location"]


def test_all_fields_of_the_two_forms_are_kept_but_the_nonce_and_the_account():
    offered = set(CreateForm().fields) | set(EditForm().fields)

    assert set(drafts.FIELDS) == offered - NOT_KEPT
    assert len(drafts.FIELDS) == len(set(drafts.FIELDS))


@with_and_without_script
@pytest.mark.parametrize("end", [log_out_in_another_tab, twelve_hours_pass, an_hour_passes])
def test_a_new_key_that_was_typed_is_there_again_after_the_log_in(alice_client, headers, end):
    form = open_form(alice_client) | DRAFT

    login = send_without_session(alice_client, form, headers=headers, end=end)
    told = page(alice_client.get(login)).text
    place = enter(alice_client, login)
    again = open_form(alice_client, place)

    assert "Your session has ended. Log in again to continue with what you typed." in told
    assert told.count("Your session has ended") == 1
    assert place == CREATE
    assert {name: again[name] for name in DRAFT} == DRAFT
    assert again["nonce"] != form["nonce"]
    assert alice_client.post(CREATE, again).status_code == 200
    assert ApiKeyRecord.objects.get().name == DRAFT["name"]
    assert "name" not in draft_at(alice_client), "once"


@with_and_without_script
def test_an_edit_that_was_typed_is_there_again_after_the_log_in(alice_client, alices_key, headers):
    address = edit_address(alices_key.key.id)
    form = open_form(alice_client, address) | {"name": "renamed", "description": "many words"}

    place = enter(alice_client, send_without_session(alice_client, form, address, headers))
    again = open_form(alice_client, place)

    assert place == address
    assert (again["name"], again["description"]) == ("renamed", "many words")
    assert again["entity_tag"] == form["entity_tag"], "a change made meanwhile is still noticed"


def draft_at(client: Client) -> dict[str, str]:
    """Return what the create form shows without anybody's having typed."""
    return {name: text for name, text in open_form(client).items() if text and name in ("name", "description")}


def test_somebody_else_who_logs_in_there_gets_nothing_of_it(alice_client, dora):
    login = send_without_session(alice_client, open_form(alice_client) | DRAFT)

    place = enter(alice_client, login, "dora")

    assert draft_at(alice_client) == {}
    assert DRAFT["description"] not in alice_client.get(place).content.decode()
    assert tables_with(DRAFT["description"]) == []


@pytest.mark.parametrize("author", [None, "", "alice", "forged:signature"])
def test_a_form_of_nobody_is_not_kept(alice, alice_client, author):
    form = open_form(alice_client) | DRAFT | {"author": alice.iam_id if author == "alice" else author or ""}
    if author is None:
        del form["author"]

    login = send_without_session(alice_client, form)

    assert next_of(login) == KEYS
    assert Session.objects.count() == 0
    enter(alice_client, login)
    assert draft_at(alice_client) == {}


def test_the_nonce_and_a_password_are_never_kept(alice_client):
    nonce, author = new_nonce(), open_form(alice_client)["author"]

    send_without_session(alice_client, DRAFT | {"author": author, "nonce": nonce, "password": PASSWORD})

    kept = str(Session.objects.get().get_decoded())
    assert DRAFT["description"] in kept
    assert not [secret for secret in (nonce, PASSWORD) if secret in kept]


def test_a_session_that_ended_under_the_password_page_keeps_nothing(alice_client):
    form = fields(page(alice_client.get("/password/")).find_all("form", action="/password/")[0])
    filled = {name: PASSWORD for name in form if "password" in name}

    login = send_without_session(alice_client, form | filled, "/password/", headers={})

    assert next_of(login) == "/password/"
    assert Session.objects.count() == 0
