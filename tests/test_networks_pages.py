"""From where a key may be used, as a person says it in the forms and reads it in the details."""

import pytest
from django.test import Client

from apikeys.models import ApiKeyRecord, HistoryRecord, RulesRecord
from apikeys.services import refusals
from tests.addresses import CREATE, KEYS, details_address, edit_address
from tests.conftest import log_in
from tests.markup import described_by, fields, page
from tests.programs import API_KEY_GRANT

HERE, OFFICE = "127.0.0.1", "192.0.2.7"
NOT_AMONG = f"Your own address, {HERE}, is not among these. If you mean that, send the form again."


def at(person, address: str) -> Client:
    """Return the person's browser at an address."""
    client = log_in(person)
    client.defaults["REMOTE_ADDR"] = address
    return client


def form_of(answer, dialog: str) -> dict[str, str]:
    return fields(page(answer).find("form", id=f"{dialog}-form"))


def create(client: Client, networks: str):
    return client.post(CREATE, form_of(client.get(CREATE), "create") | {"name": "terraform", "networks": networks})


def open_edit(client: Client, key_id: str) -> dict[str, str]:
    return form_of(client.get(edit_address(key_id)), "edit")


def kept() -> str:
    return ApiKeyRecord.objects.get().networks


def facts(answer) -> dict[str, str]:
    """Return what a page of details tells, by its words."""
    told = page(answer).find("dl", class_="facts")
    return dict(zip((dt.text for dt in told.find_all("dt")), (dd.text for dd in told.find_all("dd")), strict=True))


@pytest.fixture
def limited(alice, create_key):
    return create_key(alice, networks="192.0.2.0/24 2001:db8::/32 !192.0.2.9").key


def test_the_form_says_how_networks_are_written_and_where_the_person_is(alice):
    form = page(at(alice, OFFICE).get(CREATE)).find("form", id="create-form")

    field = form.find("textarea", name="networks")
    assert form.find("label", for_=field["id"]).text == "Networks (optional)"
    assert f"Your own address is {OFFICE}." in described_by(form, field)


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("", ""),
        (" \r\n ", ""),
        ("192.0.2.0/24\r\n2001:DB8:0::/32\r\n!192.0.2.9", "192.0.2.0/24 2001:db8::/32 !192.0.2.9"),
        ("192.0.2.0/24 192.0.2.0/24", "192.0.2.0/24"),
        ("!198.51.100.0/24", "!198.51.100.0/24"),
        ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
    ],
)
def test_alice_creates_a_key_for_some_networks(alice, typed, text):
    answer = create(at(alice, OFFICE), typed)

    assert answer.status_code == 200
    assert kept() == text


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("office", "office is not a network. Write it like 192.0.2.0/24 or 2001:db8::/32."),
        ("192.0.2.7/24", "192.0.2.7/24 has bits beyond its prefix. The network is 192.0.2.0/24."),
        ("<b>", "<b> is not a network. Write it like 192.0.2.0/24 or 2001:db8::/32."),
        ("\n".join(["192.0.2.0/24"] * 101), "Use at most 100 networks."),
        ("\n".join(f"2001:db8:{n:x}:ffff::/64" for n in range(100)), "This has 2183 characters. Use at most 2000."),
    ],
)
def test_what_is_no_network_is_said_after_the_field_and_what_was_typed_stays(alice, typed, sentence):
    answer = create(at(alice, OFFICE), typed)

    form = page(answer).find("form", id="create-form")
    assert answer.status_code == 422
    assert described_by(form, form.find("textarea", name="networks")).endswith(sentence)
    assert fields(form)["networks"].split() == typed.split()
    assert not ApiKeyRecord.objects.exists()


def test_networks_without_ones_own_address_are_sent_a_second_time(alice):
    client = at(alice, HERE)

    warned = create(client, "192.0.2.0/24")

    form = page(warned).find("form", id="create-form")
    assert warned.status_code == 422
    assert described_by(form, form.find("textarea", name="networks")).endswith(NOT_AMONG)
    assert not ApiKeyRecord.objects.exists()
    others = client.post(CREATE, fields(form) | {"networks": "198.51.100.0/24"})
    assert others.status_code == 422  # another text than was warned of
    assert client.post(CREATE, form_of(others, "create")).status_code == 200
    assert kept() == "198.51.100.0/24"


def test_the_edit_form_begins_with_the_networks_each_on_its_line(alice_client, limited):
    assert open_edit(alice_client, limited.id)["networks"] == "192.0.2.0/24\n2001:db8::/32\n!192.0.2.9"


def test_an_edit_of_something_else_leaves_the_networks_and_warns_of_nothing(alice, limited):
    client = at(alice, HERE)

    answer = client.post(edit_address(limited.id), open_edit(client, limited.id) | {"name": "tofu"})

    assert answer.status_code == 303
    assert kept() == limited.networks
    assert "networks" not in HistoryRecord.objects.order_by("id").last().params


def test_a_form_of_a_release_before_leaves_the_networks(alice_client, limited):
    form = open_edit(alice_client, limited.id)
    older = {name: text for name, text in form.items() if not name.startswith("networks")}

    alice_client.post(edit_address(limited.id), older | {"name": "tofu"})

    assert ApiKeyRecord.objects.get().name == "tofu"
    assert kept() == limited.networks


def test_alice_lifts_the_limit(alice_client, limited):
    alice_client.post(edit_address(limited.id), open_edit(alice_client, limited.id) | {"networks": ""})

    assert kept() == ""
    assert "networks" in HistoryRecord.objects.order_by("id").last().params


def test_networks_that_another_tab_changed_are_shown_and_stay(alice, limited):
    client = at(alice, OFFICE)
    first, second = (open_edit(client, limited.id) for _ in range(2))
    client.post(edit_address(limited.id), first | {"networks": "192.0.2.0/25"})

    stale = client.post(edit_address(limited.id), second | {"name": "tofu"})

    assert stale.status_code == 409
    warning = page(stale).find(class_="msg msg--warning")
    assert "Current networks" in warning.text
    assert "192.0.2.0/25" in warning.text
    client.post(edit_address(limited.id), form_of(stale, "edit"))
    assert (ApiKeyRecord.objects.get().name, kept()) == ("tofu", "192.0.2.0/25")


def test_a_list_marks_the_keys_that_can_not_be_used_from_everywhere(alice_client, alice, limited, create_key):
    create_key(alice, "free")

    rows = page(alice_client.get(KEYS)).find("tbody").find_all("tr")
    status = {row.find("th").text: row.find("td", class_="c-status").text for row in rows}

    assert status == {limited.name: "Active Some networks only", "free": "Active"}


def test_the_details_tell_which_address_was_refused(alice, alice_client, create_key):
    issued = create_key(alice, networks="192.0.2.0/24")
    exchange = {"grant_type": API_KEY_GRANT, "apikey": issued.value}
    assert Client(REMOTE_ADDR="2001:db8::7").post("/identity/token", exchange).status_code == 400
    refusals.write_uses(everything=True)

    details = page(alice_client.get(details_address(issued.key.id)))

    [line] = details.find("section", aria_labelledby="why-title").find_all("li")
    assert "It was used from a network that it may not be used from" in line.text
    assert line.find_all("code")[0].text == "2001:db8::7"


def test_the_details_tell_from_where_a_key_can_be_used(alice_client, alice, limited, create_key):
    free = create_key(alice, "free").key
    outside = create_key(alice, "outside", networks="!192.0.2.0/24").key

    told = {
        key: facts(alice_client.get(details_address(key.id)))["Can be used from"] for key in (limited, free, outside)
    }

    assert told == {
        limited: "192.0.2.0/24 2001:db8::/32 but not from 192.0.2.9",
        free: "Everywhere",
        outside: "Everywhere but not from 192.0.2.0/24",
    }


def test_the_details_tell_where_the_rules_leave_less_of_it(alice_client, alice, limited, create_key):
    free, narrow = create_key(alice, "free").key, create_key(alice, "narrow", networks="192.0.2.128/25").key
    RulesRecord.objects.create(networks="192.0.2.0/24 !192.0.2.1", modified_by="IBMid-1")

    told = [facts(alice_client.get(details_address(key.id)))["Can be used from"] for key in (free, limited, narrow)]

    at_most = "By the rules of this console, API keys can be used from 192.0.2.0/24, !192.0.2.1 at most."
    assert told == [
        f"Everywhere {at_most}",
        f"192.0.2.0/24 2001:db8::/32 but not from 192.0.2.9 {at_most}",
        "192.0.2.128/25",
    ]
