"""Times on pages: as clocks show them where the reader is, with UTC beside them; and where the reader is."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone, translation

from apikeys import zones
from apikeys.models import ApiKeyRecord
from apikeys.zones import NoSuchTime, moment_at
from console.models import User
from console.moments import Moments
from tests.addresses import CREATE, KEYS, MORE_TIME, delete_address, details_address, edit_address
from tests.cast import PASSWORD
from tests.conftest import program_of
from tests.markup import described_by, fields, page, parse

PAGE = "/time-zone/"
# In winter in Berlin, and on the next day in Kathmandu.
CREATED = datetime(2026, 2, 27, 20, 0, 58, tzinfo=UTC)
IN_BERLIN, IN_KATHMANDU, IN_UTC = "27 Feb 2026, 21:00 UTC+1", "28 Feb 2026, 01:45 UTC+5:45", "27 Feb 2026, 20:00 UTC"


def live_in(person, name: str) -> None:
    User.objects.filter(pk=person.pk).update(time_zone=name)


def zone_of(person) -> str:
    return User.objects.get(pk=person.pk).time_zone


def log_in_with(name: str | None, username: str = "alice") -> Client:
    """Log in with a browser that names this time zone; None for one without script."""
    client = Client()
    form = fields(page(client.get("/login/")).find("form", action="/login/")) | {"username": username}
    client.post("/login/", form | {"password": PASSWORD} | ({"time_zone": name} if name is not None else {}))
    return client


@pytest.fixture
def old_key(alices_key):
    ApiKeyRecord.objects.update(created_at=CREATED)
    return alices_key.key


# A date and a time of day in a zone


@pytest.mark.parametrize(
    ("name", "day", "clock", "found"),
    [
        ("Europe/Berlin", date(2026, 7, 1), time(12), datetime(2026, 7, 1, 10, tzinfo=UTC)),
        ("Asia/Kathmandu", date(2026, 7, 1), time(0), datetime(2026, 6, 30, 18, 15, tzinfo=UTC)),
        ("UTC", date(2026, 7, 1), time(12), datetime(2026, 7, 1, 12, tzinfo=UTC)),
        ("Nowhere/At_All", date(2026, 7, 1), time(12), datetime(2026, 7, 1, 12, tzinfo=UTC)),
        # Twice, an hour apart: the earlier one.
        ("Europe/Berlin", date(2026, 10, 25), time(2, 30), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
    ],
)
def test_a_date_and_a_time_of_day_are_one_moment(name, day, clock, found):
    assert moment_at(day, clock, zones.named(name)) == found


@pytest.mark.parametrize(
    ("name", "day", "clock"),
    [
        ("Europe/Berlin", date(2026, 3, 29), time(2, 30)),  # clocks go from 2 to 3
        ("Pacific/Apia", date(2011, 12, 30), time(12)),  # there was no such day
        ("America/New_York", date.max, time(23, 59)),
        ("Asia/Tokyo", date.min, time(0)),
    ],
)
def test_a_time_that_no_clock_shows_is_no_moment(name, day, clock):
    with pytest.raises(NoSuchTime):
        moment_at(day, clock, zones.named(name))


def test_people_choose_from_places_and_utc():
    offered = zones.offered()

    assert offered[0] == "UTC"
    assert {"Europe/Berlin", "Asia/Taipei", "America/Argentina/Buenos_Aires"} < set(offered)
    assert not {"US/Pacific", "Etc/GMT+5", "GMT", "Factory"} & set(offered)
    assert all(zones.name_of(zones.named(name)) == name for name in offered)


# How a moment is written


@pytest.mark.parametrize(
    ("name", "text", "title", "twice"),
    [
        ("UTC", IN_UTC, None, IN_UTC),
        ("Europe/London", IN_UTC, None, IN_UTC),
        ("Europe/Berlin", IN_BERLIN, IN_UTC, f"{IN_BERLIN} (20:00 UTC)"),
        ("Asia/Kathmandu", IN_KATHMANDU, IN_UTC, f"{IN_KATHMANDU} ({IN_UTC})"),
        ("Pacific/Marquesas", "27 Feb 2026, 10:30 UTC−9:30", IN_UTC, "27 Feb 2026, 10:30 UTC−9:30 (20:00 UTC)"),
    ],
)
def test_a_moment_is_written_for_the_reader_with_utc_beside_it(name, text, title, twice):
    with timezone.override(zones.named(name)), translation.override("en"):
        moments = Moments()
        once, far, both = (time_in(html) for html in (
            moments.written(CREATED, clock=True), moments.when(CREATED), moments.written_twice(CREATED)
        ))  # fmt: skip

    assert (once.text, both.text) == (text, twice)
    assert far.find(class_="exact").text == text.partition(" UTC")[0] + (" UTC" if title is None else "")
    assert {time.attributes.get("title") for time in (once, far)} == {title}
    assert {time["datetime"] for time in (once, far, both)} == {"2026-02-27T20:00:58+00:00"}


def time_in(html: str):
    return parse(html).find("time")


def test_the_last_minute_that_calendars_have_is_written_in_utc():
    last = datetime(9999, 12, 31, 23, 59, tzinfo=UTC)

    with timezone.override(zones.named("Asia/Taipei")), translation.override("en"):
        text = time_in(Moments().written_twice(last)).text

    assert text == "31 Dec 9999, 23:59 UTC"


# Pages


def test_the_list_is_brief_and_has_utc_as_a_title(alice, alice_client, old_key):
    live_in(alice, "Europe/Berlin")

    created = page(alice_client.get(KEYS)).find("td", class_="c-date c-created")

    assert created.find(class_="exact").text == "27 Feb 2026, 21:00"
    assert created.find("time")["title"] == IN_UTC


def test_the_list_tells_an_expiration_in_the_readers_zone(alice, alice_client, old_key):
    live_in(alice, "Europe/Berlin")
    ApiKeyRecord.objects.update(expires_at=datetime(2099, 7, 1, 22, 30, tzinfo=UTC), modified_at=timezone.now())

    status = page(alice_client.get(KEYS)).find("td", class_="c-status")

    assert status.find(class_="exact").text == "2 Jul 2099, 00:30"
    assert status.find("time")["title"] == "1 Jul 2099, 22:30 UTC"


@pytest.mark.parametrize("address", [details_address, delete_address])
def test_dialogs_show_both(alice, alice_client, old_key, address):
    live_in(alice, "Europe/Berlin")

    facts = page(alice_client.get(address(old_key.id))).find("dl", class_="facts")

    [told] = [time.text for time in facts.find_all("time") if time["datetime"] == CREATED.isoformat()]
    assert told == f"{IN_BERLIN} (20:00 UTC)"


def test_history_dashboard_and_what_an_edit_changes_are_in_the_readers_zone(alice, alice_client, alices_key):
    live_in(alice, "Asia/Kathmandu")
    ApiKeyRecord.objects.update(expires_at=datetime(2099, 7, 1, 22, 30, tzinfo=UTC), modified_at=timezone.now())
    key_id = alices_key.key.id

    history = page(alice_client.get(details_address(key_id))).find("ol", class_="history").find_all("time")
    dashboard = page(alice_client.get("/")).find("main").find_all("time")
    expires = page(alice_client.get(edit_address(key_id))).find(id="expires-now").find("time")

    assert history
    assert all("UTC+5:45 (" in time.text for time in history)
    assert len(dashboard) == 2
    assert all(time.text.endswith("UTC+5:45") and time["title"].endswith(" UTC") for time in dashboard)
    assert expires.text == "2 Jul 2099, 04:15 UTC+5:45 (1 Jul 2099, 22:30 UTC)"


def test_without_script_the_end_of_the_download_is_told_in_the_readers_zone(alice, alice_client):
    live_in(alice, "Asia/Kathmandu")
    form = fields(page(alice_client.get(CREATE)).find("form", id="create-form"))

    created = page(alice_client.post(CREATE, form | {"name": "terraform"}))
    more = page(alice_client.post(MORE_TIME, {"nonce": form["nonce"]}))

    for shown in (created.find(class_="time-left"), more.find("main")):
        [until] = shown.find_all("time")
        end = datetime.fromisoformat(until["datetime"])
        assert until.text == f"{end + timedelta(hours=5, minutes=45):%H:%M:%S} UTC+5:45 ({end:%H:%M:%S} UTC)"


def test_programs_get_utc_whatever_their_owner_chose(alice, old_key):
    live_in(alice, "Asia/Kathmandu")

    listed = program_of(alice).get("/v1/apikeys").json()["apikeys"]

    assert [key["created_at"] for key in listed] == ["2026-02-27T20:00+0000"]


def test_a_page_shows_nothing_of_the_zone_of_whoever_was_there_before(alice, alice_client, bob, bob_client, create_key):
    live_in(alice, "Europe/Berlin")
    create_key(bob)

    alice_client.get(KEYS)
    [created] = page(bob_client.get(KEYS)).find("tbody").find_all("time")

    assert created.find(class_="exact").text.endswith(" UTC")
    assert timezone.get_current_timezone_name() == "UTC"


# What a browser says


def test_the_log_in_keeps_the_zone_of_the_browser_for_whom_has_none(alice):
    log_in_with("Europe/Berlin")

    assert zone_of(alice) == "Europe/Berlin"


@pytest.mark.parametrize("name", [None, "", "Nowhere/At_All", "../../etc/passwd", "x" * 5000, "Europe/Berlin\n"])
def test_a_browser_that_names_no_zone_leaves_utc(alice, old_key, name):
    client = log_in_with(name)

    assert zone_of(alice) == ""
    assert page(client.get(KEYS)).find("td", class_="c-date c-created").find(class_="exact").text == IN_UTC


def test_a_zone_that_alice_has_outlives_the_log_in_from_elsewhere(alice):
    live_in(alice, "Europe/Berlin")

    log_in_with("Asia/Taipei")

    assert zone_of(alice) == "Europe/Berlin"


# What a person chooses


def test_alice_chooses_her_zone_and_sees_its_times(alice, alice_client, old_key):
    link = page(alice_client.get("/")).find("a", href=PAGE)
    form = page(alice_client.get(PAGE)).find("form", action=PAGE)

    answer = alice_client.post(PAGE, fields(form) | {"time_zone": "Europe/Berlin"}, follow=True)

    assert link.text == "Time zone"
    assert fields(form)["time_zone"] == ""
    assert "Times are now shown in the time zone Europe/Berlin." in page(answer).find(id="toasts").text
    assert zone_of(alice) == "Europe/Berlin"
    assert IN_BERLIN in page(alice_client.get(details_address(old_key.id))).text
    assert fields(page(alice_client.get(PAGE)).find("form", action=PAGE))["time_zone"] == "Europe/Berlin"


def test_alice_leaves_the_choice_to_her_browser_again(alice, alice_client):
    live_in(alice, "Europe/Berlin")

    answer = alice_client.post(PAGE, {"time_zone": ""}, follow=True)

    assert "Times are shown in UTC until your browser names your time zone" in page(answer).text
    assert zone_of(alice) == ""


def test_an_old_name_that_a_browser_gave_is_among_the_choices(alice, alice_client):
    live_in(alice, "US/Pacific")

    form = page(alice_client.get(PAGE)).find("form", action=PAGE)

    assert fields(form)["time_zone"] == "US/Pacific"


@pytest.mark.parametrize("name", ["Nowhere/At_All", "x" * 5000, "../../etc/passwd"])
def test_what_is_no_zone_is_refused_after_its_label(alice, alice_client, name):
    live_in(alice, "Europe/Berlin")

    answer = alice_client.post(PAGE, {"time_zone": name})

    form = page(answer).find("form", action=PAGE)
    assert answer.status_code == 422
    assert page(answer).find("title").text.startswith("Error:")
    assert form.find("select")["aria-invalid"] == "true"
    assert described_by(form, form.find("select"))
    assert zone_of(alice) == "Europe/Berlin"


def test_a_release_that_knows_no_zones_still_makes_people(alice):
    names = [field.column for field in User._meta.concrete_fields if field.column not in ("id", "time_zone")]
    columns = ", ".join(names)
    others = ", ".join({"username": "'carol'", "iam_id": "'IBMid-0000000000'"}.get(name, name) for name in names)

    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO console_user ({columns}) SELECT {others} FROM console_user")  # noqa: S608  (names of columns)

    assert User.objects.get(username="carol").time_zone == ""
