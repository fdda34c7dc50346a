"""Links that fill in the create form: they never send it, and never carry a key's value into a page."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode, urlsplit

import pytest
from django.test import Client

from apikeys.models import ApiKeyRecord, Handover
from apikeys.values import generate
from console.models import User
from tests.addresses import CREATE
from tests.documents import blocks
from tests.markup import described_by, fields, page
from tests.server import ROOT
from tests.test_drafts import enter, send_without_session


def link(**given: str) -> str:
    return f"{CREATE}?{urlencode(given)}"


def open_link(client: Client, **given: str):
    """Return the form that a link leads to."""
    return page(client.get(link(**given))).find("form", id="create-form")


def in_days(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).date().isoformat()


def test_a_link_fills_in_the_form_and_makes_nothing(alice_client):
    form = open_link(alice_client, name="o'neill<b>&\"", description="two\nlines", expires="90")

    sent = fields(form)
    assert (sent["name"], sent["description"], sent["expires"]) == ("o'neill<b>&\"", "two\nlines", "90")
    assert form.find_all(aria_invalid="true") == []
    assert form["action"] == CREATE
    assert (ApiKeyRecord.objects.count(), Handover.objects.count()) == (0, 0)
    assert alice_client.post(CREATE, sent).status_code == 200
    assert ApiKeyRecord.objects.get().name == "o'neill<b>&\""


@pytest.mark.parametrize(
    ("expires", "day", "clock"),
    [
        ("2099-07-01", "2099-07-01", ""),
        ("2099-07-01T17:30", "2099-07-01", "17:30"),
        ("2099-07-01 17:30", "2099-07-01", "17:30"),
        ("2099-07-01T17:30Z", "2099-07-01", "19:30"),
        ("2099-07-01T23:30-04:00", "2099-07-02", "05:30"),
    ],
)
def test_an_expiration_is_a_date_or_a_time_where_the_reader_is(alice, alice_client, expires, day, clock):
    User.objects.update(time_zone="Europe/Berlin")

    sent = fields(open_link(alice_client, expires=expires))

    assert (sent["expires"], sent["expires_on"], sent["expires_time"]) == ("date", day, clock)


@pytest.mark.parametrize("days", [1, 7, 99999])
def test_an_expiration_is_so_many_days_ahead(alice_client, days):
    before = in_days(days)
    sent = fields(open_link(alice_client, expires=str(days)))

    assert sent["expires"] == "date"
    assert before <= sent["expires_on"] <= in_days(days)


@pytest.mark.parametrize(
    ("given", "field", "sentence"),
    [
        ({"expires": "soon"}, "expires", "Select a valid choice. soon is not one of the available choices."),
        ({"expires": "-1"}, "expires", "Select a valid choice. -1 is not one of the available choices."),
        ({"expires": "2099-02-31T00:00Z"}, "expires", "Select a valid choice."),
        ({"expires": "9999-12-31T23:59-12:00"}, "expires", "Select a valid choice."),
        ({"expires": "2099-02-31"}, "expires_on", "Enter a date like 2030-01-31."),
        ({"expires": "2001-01-31"}, "expires_on", "This date is in the past. Choose a later one."),
        ({"expires": "2099-07-01T25:00"}, "expires_time", "Enter a time like 17:30."),
        ({"name": "x" * 256}, "name", "This has 256 characters. Use at most 255."),
        ({"networks": "office"}, "networks", "office is not a network."),
        ({"name": "a\0b"}, "name", "This contains a control character. Remove it."),
        ({"description": "x" * 100_000}, "description", "This has 4000 characters. Use at most 1000."),
    ],
)
def test_what_is_wrong_with_a_link_is_told_beside_its_field_and_nowhere_else(alice_client, given, field, sentence):
    answer = alice_client.get(link(**given))

    [wrong] = page(answer).find_all(aria_invalid="true")
    assert answer.status_code == 200
    assert wrong["name"] == field
    assert sentence in described_by(page(answer), wrong)


def test_a_link_says_from_where_a_key_can_be_used_and_warns_who_is_elsewhere(alice_client):
    form = open_link(alice_client, name="office", networks="127.0.0.0/8 !127.0.0.9")
    elsewhere = open_link(alice_client, name="office", networks="192.0.2.0/24")

    assert fields(form)["networks"] == "127.0.0.0/8\n!127.0.0.9"
    assert form.find_all(aria_invalid="true") == []
    [warned] = elsewhere.find_all(aria_invalid="true")
    assert "Your own address, 127.0.0.1, is not among these." in described_by(elsewhere, warned)
    assert alice_client.post(CREATE, fields(elsewhere)).status_code == 200  # who was warned need not be again
    assert ApiKeyRecord.objects.get().networks == "192.0.2.0/24"


def test_a_link_that_gives_nothing_is_an_empty_form(alice_client):
    form = open_link(alice_client, name="", description="", expires="", sort="name")

    assert (fields(form)["name"], fields(form)["expires"]) == ("", "")
    assert form.find_all(aria_invalid="true") == []
    assert form["action"] == f"{CREATE}?sort=name"


@pytest.mark.parametrize("field", ["name", "description", "expires", "networks"])
def test_a_value_in_a_link_comes_into_no_page_before_the_log_in_and_after(alice, client, settings, field):
    value = generate(settings.APIKEYS_PREFIX)

    answers = [client.get(link(**{field: f"key {value}"}))]
    answers.append(client.get(answers[0]["Location"]))
    place = enter(client, answers[0]["Location"])
    answers.append(client.get(place))
    answers.append(client.get(link(**{field: f"key {value}"})))

    pages = [answer.content.decode() for answer in answers]
    shown = [value in f"{place}{answer.headers}{text}" for answer, text in zip(answers, pages, strict=True)]
    assert shown == [False] * 4
    assert [answer.status_code for answer in answers] == [302, 200, 200, 303]
    assert f"key {settings.APIKEYS_PREFIX}…{value[-4:]}" in " ".join(pages[2].split())


def test_a_link_survives_the_log_in(alice, client):
    address = link(name="terraform", description="a & b", expires="2099-07-01T17:30")

    login = client.get(address)["Location"]
    place = enter(client, login)

    assert place == address
    sent = fields(page(client.get(place)).find("form", id="create-form"))
    assert (sent["name"], sent["description"], sent["expires_time"]) == ("terraform", "a & b", "17:30")


def test_what_was_typed_before_the_session_ended_counts_more_than_the_link(alice_client):
    form = fields(open_link(alice_client, name="of the link")) | {"name": "typed"}

    send_without_session(alice_client, form, headers={})
    enter(alice_client, f"/login/?{urlencode({'next': link(name='of the link')})}")
    first, second = (fields(open_link(alice_client, name="of the link")) for _ in range(2))

    assert (first["name"], second["name"]) == ("typed", "of the link")


def test_the_link_of_the_document_fills_in_the_form(alice_client):
    [(_language, example)] = blocks(ROOT / "docs" / "links.md")
    parts = urlsplit(example.strip())

    sent = fields(page(alice_client.get(f"{parts.path}?{parts.query}")).find("form", id="create-form"))

    assert (sent["name"], sent["description"], sent["expires"]) == ("terraform", "Applies changes", "90")
