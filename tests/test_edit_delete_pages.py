"""Editing and deleting in the browser, in two tabs at once too; every outcome is told to the one it concerns."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from apikeys.domain import ApiKeyQuery
from apikeys.models import ApiKeyRecord, Handover, HistoryRecord
from apikeys.services.keys import list_api_keys
from tests.addresses import CREATE, KEYS, RECEIPT, UNKNOWN_ID, delete_address, details_address, edit_address
from tests.conftest import caller_for, log_in
from tests.markup import Element, fields, page

HTMX = {"HX-Request": "true"}
FROM_LIST = HTMX | {"HX-Current-URL": f"http://testserver{KEYS}?q=t", "HX-Target": "list"}
SOME_DAY = datetime(2099, 1, 31, 18, 30, tzinfo=UTC)  # not at the end of a day: an edit of the name leaves it alone
GONE = "That API key no longer exists. It may have been deleted in another tab."


@pytest.fixture
def key(alices_key):
    return alices_key.key


def open_edit(client, key_id: str) -> dict[str, str]:
    return fields(page(client.get(edit_address(key_id))).find("form", id="edit-form"))


def toasts(client) -> str:
    """Open the list and return the news it tells."""
    return page(client.get(KEYS)).find(class_="toasts").text


def without_ids(response, *key_ids: str) -> str:
    """Return a page's markup without what names a key or a form."""
    body = response.content.decode()
    for token in {field["value"] for field in page(response).find_all("input", name="csrfmiddlewaretoken")}:
        body = body.replace(token, "TOKEN")
    for key_id in key_ids:
        body = body.replace(key_id, "ID")
    return body


# Edit


def test_the_edit_form_starts_with_what_there_is(alice_client, key):
    tree = page(alice_client.get(edit_address(key.id)))

    form = tree.find("form", id="edit-form")
    sent = fields(form)
    assert (sent["name"], sent["description"], sent["entity_tag"]) == (key.name, key.description, key.entity_tag)
    assert (form["method"], form["action"]) == ("post", edit_address(key.id))
    assert tree.find("dialog").find("h2").text == "Edit API key"


def test_alice_changes_name_and_description(alice, alice_client, key):
    form = open_edit(alice_client, key.id) | {"name": "tofu", "description": ""}

    response = alice_client.post(edit_address(key.id), form)

    [changed] = list_api_keys(caller_for(alice), ApiKeyQuery()).keys
    assert (response.status_code, response["Location"]) == (303, KEYS)
    assert (changed.name, changed.description) == ("tofu", "")
    assert toasts(alice_client) == "The changes to tofu were saved. Dismiss"


def test_under_htmx_the_browser_is_sent_to_the_list(alice_client, key):
    form = open_edit(alice_client, key.id) | {"name": "tofu"}

    response = alice_client.post(edit_address(key.id) + "?q=t&sort=name", form, headers=HTMX)

    assert (response.status_code, response["HX-Redirect"]) == (200, f"{KEYS}?q=t&sort=name")


def test_an_edit_leaves_the_hand_over_and_the_digest_alone(alice_client, key):
    before = (ApiKeyRecord.objects.get().digest, bytes(Handover.objects.get().sealed))

    alice_client.post(edit_address(key.id), open_edit(alice_client, key.id) | {"name": "tofu"})

    assert (ApiKeyRecord.objects.get().digest, bytes(Handover.objects.get().sealed)) == before


# Expiration


def choices(client, key_id: str) -> list[str]:
    select = page(client.get(edit_address(key_id))).find("select", name="expires")
    return [option.text for option in select.find_all("option")]


def test_the_edit_form_offers_the_choices_of_the_create_form_and_no_change(alice_client, key):
    create = page(alice_client.get(CREATE)).find("select", name="expires")

    offered = choices(alice_client, key.id)

    assert offered == ["No change", *(option.text for option in create.find_all("option"))]
    assert open_edit(alice_client, key.id)["expires"] == ""


def test_the_edit_form_says_when_the_key_expires_now(alice_client, key):
    endless = page(alice_client.get(edit_address(key.id))).find(id="expires-now").text
    ApiKeyRecord.objects.update(expires_at=datetime(2099, 1, 31, 23, 59, tzinfo=UTC))

    ending = page(alice_client.get(edit_address(key.id)))

    assert endless == "Now: does not expire"
    assert re.fullmatch(r"Now: expires in \d+ years, 31 Jan 2099, 23:59 UTC", ending.find(id="expires-now").text)
    assert ending.find("select", name="expires")["aria-describedby"] == "expires-now"


@pytest.mark.parametrize(
    ("typed", "end"),
    [
        ({}, SOME_DAY),
        ({"expires": ""}, SOME_DAY),
        ({"expires": "never"}, None),
        ({"expires": "date", "expires_on": "2099-03-04"}, datetime(2099, 3, 4, 23, 59, tzinfo=UTC)),
    ],
)
def test_alice_changes_when_a_key_expires(alice_client, key, typed, end):
    ApiKeyRecord.objects.update(expires_at=SOME_DAY)

    alice_client.post(edit_address(key.id), open_edit(alice_client, key.id) | typed)

    assert ApiKeyRecord.objects.get().expires_at == end


@pytest.mark.parametrize("days", [30, 90, 365])
def test_a_key_that_expired_works_again_once_its_end_is_later(alice_client, key, days):
    ApiKeyRecord.objects.update(expires_at=timezone.now() - timedelta(days=1), modified_at=timezone.now())

    alice_client.post(edit_address(key.id), open_edit(alice_client, key.id) | {"expires": str(days)})

    left = ApiKeyRecord.objects.get().expires_at - timezone.now()
    assert timedelta(days=days) - timedelta(minutes=1) < left <= timedelta(days=days)
    assert page(alice_client.get(KEYS)).find("td", class_="c-status").text.startswith("Active Expires in")


def test_an_edit_without_another_end_says_nothing_of_it_in_the_history(alice_client, key):
    alice_client.post(edit_address(key.id), open_edit(alice_client, key.id) | {"name": "tofu"})

    assert HistoryRecord.objects.order_by("id").last().params == ["description", "name"]


# In place: the page of the list is open


def news(response) -> str:
    return page(response).find("template", data_news="").text


@pytest.mark.parametrize(
    ("action", "told"),
    [
        ("disable", "terraform is disabled and does not work until it is enabled. Dismiss"),
        ("lock", "terraform is locked: it can't be changed or deleted. Dismiss"),
    ],
)
def test_an_action_from_the_list_answers_with_the_list_and_the_news(alice_client, key, action, told):
    response = alice_client.post(f"{details_address(key.id)}{action}/?q=t", headers=FROM_LIST)

    [changed] = [child for child in page(response).children if isinstance(child, Element)]
    assert (response.status_code, changed["id"], news(response)) == (200, "list", told)
    assert (response["HX-Retarget"], response["HX-Reswap"]) == ("#list", "outerHTML")
    assert response["HX-Replace-Url"] == f"{KEYS}?q=t"
    assert toasts(alice_client) == "", "it is told once"


def test_without_script_the_title_of_the_next_page_begins_with_what_was_done(alice_client, key):
    """A screen reader reads the title of a page, and no message that was there from the beginning."""
    response = alice_client.post(f"{details_address(key.id)}disable/", follow=True)

    title = page(response).find("title").text
    assert title == "terraform is disabled and does not work until it is enabled. – API keys – Console"
    assert page(alice_client.get(KEYS)).find("title").text == "API keys – Console"


def test_a_deletion_from_the_list_answers_with_the_list_even_if_it_is_the_last_key(alice_client, key):
    response = alice_client.post(delete_address(key.id), headers=FROM_LIST | {"HX-Target": "delete"})

    tree = page(response)
    assert news(response) == "terraform was deleted and no longer works. Undo Dismiss"
    assert tree.find(class_="empty").find("h2").text == "You have no API keys yet"
    assert response["HX-Retarget"] == "#list"


def test_an_edit_from_the_list_answers_with_the_list(alice_client, key):
    form = open_edit(alice_client, key.id) | {"name": "tofu"}

    response = alice_client.post(edit_address(key.id), form, headers=FROM_LIST | {"HX-Target": "edit"})

    assert page(response).find("th", role="rowheader").text == "tofu"
    assert news(response) == "The changes to tofu were saved. Dismiss"


def test_to_delete_what_another_tab_deleted_answers_with_the_list_and_the_news(alice_client, key):
    alice_client.post(delete_address(key.id))
    toasts(alice_client)

    response = alice_client.get(delete_address(key.id), headers=FROM_LIST | {"HX-Target": "dialog-slot"})

    assert (response["HX-Retarget"], news(response)) == ("#list", f"{GONE} Dismiss")


def test_the_receipt_of_the_created_page_answers_with_the_list_where_it_is_asked_for(alice_client, key):
    drawn = alice_client.post(RECEIPT, {"nonce": "n" * 32}, headers=FROM_LIST | {"HX-Target": "created"})
    closed = alice_client.post(RECEIPT, {"nonce": "n" * 32}, headers=FROM_LIST)

    assert drawn.status_code == 204
    assert page(closed).find("th", role="rowheader").text == "terraform"
    assert closed["HX-Replace-Url"] == KEYS


# Two tabs


def test_a_stale_edit_shows_both_versions_and_changes_nothing(alice, alice_client, key):
    first, second = (open_edit(alice_client, key.id) for _ in range(2))
    alice_client.post(edit_address(key.id), first | {"name": "first", "description": "from the first tab"})

    response = alice_client.post(edit_address(key.id), second | {"name": "second", "description": "mine"})

    tree = page(response)
    alert = tree.find("dialog").find(class_="msg msg--warning")
    typed = fields(tree.find("form", id="edit-form"))
    assert response.status_code == 409
    assert alert["role"] == "alert"
    assert "Someone changed this API key while you were editing it." in alert.text
    assert [fact.text for fact in alert.find_all("dd")] == ["first", "from the first tab", "Does not expire"]
    assert (typed["name"], typed["description"]) == ("second", "mine")
    assert ApiKeyRecord.objects.get().name == "first"


def test_having_compared_alice_saves_again_and_it_counts(alice_client, key):
    first, second = (open_edit(alice_client, key.id) for _ in range(2))
    alice_client.post(edit_address(key.id), first | {"name": "first"})
    stale = alice_client.post(edit_address(key.id), second | {"name": "second"})

    response = alice_client.post(edit_address(key.id), fields(page(stale).find("form", id="edit-form")))

    assert response.status_code == 303
    assert ApiKeyRecord.objects.get().name == "second"


def test_a_third_change_in_between_is_told_again(alice_client, key):
    first, second, third = (open_edit(alice_client, key.id) for _ in range(3))
    alice_client.post(edit_address(key.id), first | {"name": "first"})
    stale = alice_client.post(edit_address(key.id), second | {"name": "second"})
    renewed = fields(page(stale).find("form", id="edit-form"))
    stale_too = alice_client.post(edit_address(key.id), third | {"name": "third"})
    alice_client.post(edit_address(key.id), fields(page(stale_too).find("form", id="edit-form")))

    response = alice_client.post(edit_address(key.id), renewed)

    facts = page(response).find(class_="msg msg--warning").find_all("dd")
    assert response.status_code == 409
    assert facts[0].text == "third"
    assert ApiKeyRecord.objects.get().name == "third"


def test_under_htmx_a_stale_edit_is_the_dialog_alone(alice_client, key):
    stale = open_edit(alice_client, key.id)
    alice_client.post(edit_address(key.id), stale | {"name": "first"})

    response = alice_client.post(edit_address(key.id), stale | {"name": "second"}, headers=HTMX)

    [dialog] = [child for child in page(response).children if isinstance(child, Element)]
    assert (response.status_code, dialog.tag, dialog["id"]) == (409, "dialog", "edit")


def test_an_edit_of_a_key_deleted_in_another_tab_is_told(alice_client, key):
    form = open_edit(alice_client, key.id)
    alice_client.post(delete_address(key.id))

    response = alice_client.post(edit_address(key.id), form | {"name": "tofu"})

    assert response.status_code == 404
    assert "This API key does not exist. It may have been deleted." in page(response).find("main").text
    assert ApiKeyRecord.objects.count() == 0


def test_under_htmx_that_is_told_in_the_page_that_is_open(alice_client, key):
    form = open_edit(alice_client, key.id)
    alice_client.post(delete_address(key.id))

    response = alice_client.post(edit_address(key.id), form | {"name": "tofu"}, headers=HTMX)

    assert response.status_code == 404
    assert (response["HX-Retarget"], response["HX-Reswap"]) == ("#problem", "innerHTML")
    assert page(response).text == "This API key does not exist. It may have been deleted."


# Delete


def test_the_confirmation_names_the_key_and_says_what_stops_working(alice_client, key):
    dialog = page(alice_client.get(delete_address(key.id))).find("dialog")

    form = dialog.find("form", id="delete-form")
    assert dialog.find("h2").text == "Delete key?"
    assert "Programs that use terraform lose access at once. You can restore it for 24 hours." in dialog.text
    assert key.hint in [fact.text for fact in dialog.find_all("dd")]
    assert (form["method"], form["action"]) == ("post", delete_address(key.id))
    assert dialog.find("button", form="delete-form").text == "Delete key"
    assert ApiKeyRecord.objects.count() == 1


def test_a_confirmed_deletion_ends_the_key_and_says_so(alice_client, key):
    form = fields(page(alice_client.get(delete_address(key.id))).find("form", id="delete-form"))

    response = alice_client.post(delete_address(key.id), form)

    assert (response.status_code, response["Location"]) == (303, KEYS)
    assert ApiKeyRecord.objects.count() == 0
    assert Handover.objects.filter(sealed__isnull=False).count() == 0
    assert toasts(alice_client) == "terraform was deleted and no longer works. Undo Dismiss"
    assert toasts(alice_client) == "", "it is told once"


@pytest.mark.parametrize(("headers", "status", "leads"), [({}, 303, "Location"), (HTMX, 200, "HX-Redirect")])
@pytest.mark.parametrize("method", ["get", "post"])
def test_deleting_what_another_tab_deleted_is_news_in_the_list_and_no_error(
    alice, alice_client, key, method, headers, status, leads
):
    elsewhere = log_in(alice)
    elsewhere.post(delete_address(key.id))

    response = getattr(alice_client, method)(delete_address(key.id) + "?sort=name", headers=headers)

    assert (response.status_code, response[leads]) == (status, f"{KEYS}?sort=name")
    assert toasts(alice_client) == f"{GONE} Dismiss"


# Locked


def test_a_locked_key_is_not_deleted_and_alice_is_told_what_to_do(alice_client, key):
    ApiKeyRecord.objects.update(locked=True)

    response = alice_client.post(delete_address(key.id))

    assert response.status_code == 409
    assert "This API key is locked. Unlock it first." in page(response).find("main").text
    assert ApiKeyRecord.objects.count() == 1


def test_a_locked_key_is_not_changed(alice_client, key):
    form = open_edit(alice_client, key.id)
    ApiKeyRecord.objects.update(locked=True)

    response = alice_client.post(edit_address(key.id), form | {"name": "tofu"}, headers=HTMX)

    assert response.status_code == 409
    assert response["HX-Retarget"] == "#problem"
    assert page(response).text == "This API key is locked. Unlock it first."
    assert ApiKeyRecord.objects.get().name == "terraform"


# Somebody else's


@pytest.mark.parametrize("headers", [{}, HTMX])
@pytest.mark.parametrize("address", [edit_address, delete_address])
@pytest.mark.parametrize("method", ["get", "post"])
def test_alices_key_is_to_bob_exactly_like_one_that_never_was(bob_client, key, address, method, headers):
    typed = {"name": "bob's now", "entity_tag": key.entity_tag} if method == "post" else {}

    foreign, unknown = (
        getattr(bob_client, method)(address(key_id), typed, headers=headers) for key_id in (key.id, UNKNOWN_ID)
    )

    assert foreign.status_code == unknown.status_code == (404 if address is edit_address else 200 if headers else 303)
    ids = {"X-Correlation-Id"}
    assert {n: v for n, v in foreign.headers.items() if n not in ids} == {
        n: v for n, v in unknown.headers.items() if n not in ids
    }
    assert without_ids(foreign, key.id, UNKNOWN_ID) == without_ids(unknown, key.id, UNKNOWN_ID)
    assert "terraform" not in foreign.content.decode()
    assert ApiKeyRecord.objects.get().name == "terraform"
