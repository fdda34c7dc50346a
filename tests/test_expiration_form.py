"""When a key expires, chosen in a form: a date, or to the minute, in the zone that is named beside the field."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from apikeys import zones
from apikeys.models import ApiKeyRecord
from console.models import User
from tests.addresses import CREATE, edit_address
from tests.markup import described_by, fields, page
from tests.test_drafts import enter, send_without_session

BERLIN = "Europe/Berlin"
SKIPPED = "Clocks in Europe/Berlin do not show this time on this date. Choose another one."


@pytest.fixture
def alice(alice):
    User.objects.update(time_zone=BERLIN)
    return User.objects.get()


@pytest.fixture(params=["create", "edit"])
def form(request, alice_client, alices_key):
    """Each of the two forms: where it is sent, and what it sends for a key that ends on a date."""
    address = CREATE if request.param == "create" else edit_address(alices_key.key.id)
    return address, open_form(alice_client, address) | {"name": "with an end", "expires": "date"}


def open_form(client: Client, address: str) -> dict[str, str]:
    return fields(page(client.get(address)).find_all("form", class_="form", action=address)[0])


def end_of_key() -> datetime | None:
    return ApiKeyRecord.objects.get(name="with an end").expires_at


def in_berlin(moment: datetime) -> dict[str, str]:
    here = moment.astimezone(zones.named(BERLIN))
    return {"expires_on": f"{here:%Y-%m-%d}", "expires_time": f"{here:%H:%M}"}


@pytest.mark.parametrize(
    ("day", "clock", "end"),
    [
        ("2099-07-01", "17:30", datetime(2099, 7, 1, 15, 30, tzinfo=UTC)),
        ("2099-01-01", "00:15", datetime(2098, 12, 31, 23, 15, tzinfo=UTC)),
        ("2099-07-01", "17:30:59", datetime(2099, 7, 1, 15, 30, tzinfo=UTC)),  # to the minute
        ("2099-07-01", "", datetime(2099, 7, 1, 23, 59, tzinfo=UTC)),  # the same everywhere, as it always was
        ("9999-12-31", "", datetime(9999, 12, 31, 23, 59, tzinfo=UTC)),
        ("2099-10-25", "02:30", datetime(2099, 10, 25, 0, 30, tzinfo=UTC)),  # twice on that day: never later than meant
    ],
)
def test_a_key_ends_on_a_date_or_to_the_minute_there(alice_client, form, day, clock, end):
    address, sent = form

    answer = alice_client.post(address, sent | {"expires_on": day, "expires_time": clock})

    assert answer.status_code in (200, 303)
    assert end_of_key() == end


def test_the_zone_is_named_beside_the_field_and_what_a_date_alone_means(alice_client, form):
    drawn = page(alice_client.get(form[0])).find("form", action=form[0], class_="form")

    field = drawn.find("input", name="expires_time")
    assert field["type"] == "time"
    assert drawn.find("label", for_=field["id"]).text == "Time in Europe/Berlin (optional)"
    assert described_by(drawn, field) == "Without a time, the key expires at 23:59 UTC on this date."


@pytest.mark.parametrize(
    ("typed", "field", "sentence"),
    [
        ({"expires_on": "2099-03-29", "expires_time": "02:30"}, "expires_time", SKIPPED),
        ({"expires_on": "0001-01-01", "expires_time": "00:00"}, "expires_time", SKIPPED),
        ({"expires_on": "2001-01-31"}, "expires_on", "This date is in the past. Choose a later one."),
        ({"expires_on": "", "expires_time": "17:30"}, "expires_on", "Choose a date."),
        (
            {"expires_on": "2099-07-01", "expires_time": "17:30", "time_zone": "Nowhere/At_All"},
            "expires_time",
            "The time zone of this form is not known. Open the form again.",
        ),
    ],
)
def test_a_moment_that_cannot_be_is_told_beside_its_field(alice_client, form, typed, field, sentence):
    address, sent = form

    answer = alice_client.post(address, sent | typed)

    [wrong] = page(answer).find_all(aria_invalid="true")
    assert answer.status_code == 422
    assert wrong["name"] == field
    assert described_by(page(answer), wrong).endswith(sentence)
    assert not ApiKeyRecord.objects.filter(name="with an end").exists()


def test_a_minute_that_has_just_passed_is_refused_and_the_next_hour_is_not(alice_client, form):
    address, sent = form
    now = timezone.now()

    late = alice_client.post(address, sent | in_berlin(now - timedelta(minutes=1)))
    soon = alice_client.post(address, sent | in_berlin(now + timedelta(hours=1)))

    assert late.status_code == 422
    assert "This time is in the past. Choose a later one." in page(late).text
    assert soon.status_code in (200, 303)


def test_where_the_day_of_utc_is_over_before_the_readers_day_the_sentence_says_so(alice_client):
    # Until 09:30 UTC it is still yesterday there; later on the date is the same, and the key is made.
    User.objects.update(time_zone="Pacific/Marquesas")
    form = open_form(alice_client, CREATE) | {"name": "late", "expires": "date"}
    today = timezone.localdate(timezone=zones.named("Pacific/Marquesas"))

    answer = alice_client.post(CREATE, form | {"expires_on": today.isoformat()})

    is_over = datetime(today.year, today.month, today.day, 23, 59, tzinfo=UTC) <= timezone.now()
    sentence = "23:59 UTC on this date is in the past. Enter a time, or a later date."
    assert (sentence in page(answer).text) is is_over


def test_the_form_of_an_earlier_release_meant_utc(alice_client, form):
    address, sent = form
    del sent["time_zone"], sent["expires_time"]

    alice_client.post(address, sent | {"expires_on": "2099-07-01"})

    assert end_of_key() == datetime(2099, 7, 1, 23, 59, tzinfo=UTC)


def test_a_form_keeps_its_zone_when_the_reader_chooses_another_one_meanwhile(alice_client, form):
    address, sent = form
    User.objects.update(time_zone="Asia/Taipei")
    typed = {"expires_on": "2099-07-01", "expires_time": "17:30"}

    refused = page(alice_client.post(address, sent | typed | {"name": ""}))
    alice_client.post(address, sent | typed)

    assert "Time in Europe/Berlin (optional)" in refused.text
    assert end_of_key() == datetime(2099, 7, 1, 15, 30, tzinfo=UTC)


def test_what_was_typed_survives_a_session_that_ended(alice_client, form):
    address, sent = form
    typed = {"expires_on": "2099-07-01", "expires_time": "17:30"}

    place = enter(alice_client, send_without_session(alice_client, sent | typed, address, headers={}))
    User.objects.update(time_zone="Asia/Taipei")
    again = open_form(alice_client, place)
    alice_client.post(address, again)

    assert {name: again[name] for name in typed} == typed
    assert end_of_key() == datetime(2099, 7, 1, 15, 30, tzinfo=UTC)


def test_a_form_without_its_token_can_be_sent_again_with_its_time(alice, alice_client):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(alice)
    sent = open_form(strict, CREATE) | {"name": "with an end", "expires": "date", "csrfmiddlewaretoken": "x" * 64}

    refused = strict.post(
        CREATE,
        sent | {"expires_on": "2099-07-01", "expires_time": "17:30"},
        headers={"Sec-Fetch-Site": "same-origin", "Origin": "http://testserver"},
    )
    strict.post(CREATE, fields(page(refused).find("main").find("form")))

    assert refused.status_code == 403
    assert end_of_key() == datetime(2099, 7, 1, 15, 30, tzinfo=UTC)
