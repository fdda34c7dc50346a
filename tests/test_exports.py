"""The list as a file: CSV in which text stays text, and JSON; from the page, over REST and at the command line."""

import csv
import io
import json
import stat
import tracemalloc

import pytest
from django.db import OperationalError

from apikeys.exceptions import ExportsBusy, SearchTooSlow
from apikeys.iam import exports
from apikeys.iam.exports import BYTE_ORDER_MARK, COLUMNS, Format
from apikeys.models import ApiKeyRecord, AuditEvent
from apikeys.services import exporting, keys
from apikeys.services.exporting import Export
from apikeys.web.listing import ListState
from tests.addresses import KEYS
from tests.cli_person import refused
from tests.conftest import caller_for, program_of
from tests.markup import page
from tests.test_pages import many

EXPORT = f"{KEYS}export/"
HOSTILE = [
    "=1+1", "+1", "-1+2", "@SUM(A1)", "=cmd|' /C calc'!A0", " =1", "＝1+1", "'=1", "a;=1+1", 'a";"=1', "\"=1", "a,=1",
    "=HYPERLINK(\"https://evil.example\")", "<b>\"&'", "金鑰", "50% off", "2026-01-31", "0042", "a-b",
]  # fmt: skip
STARTS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def exported(client, query: str = "format=csv") -> str:
    answer = client.get(f"{EXPORT}?{query}")
    assert answer.status_code == 200
    return b"".join(answer.streaming_content).decode()


# The texts


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_no_reader_of_csv_finds_a_formula_whatever_separates_its_cells(text, delimiter):
    line = exports.csv_line([exports.cell(cell) for cell in ("first", text, "last")])

    read = [cell for row in csv.reader(io.StringIO(line), delimiter=delimiter) for cell in row]
    assert [cell for cell in read if cell.lstrip(' "').startswith(STARTS)] == []


@pytest.mark.parametrize("text", [text for text in HOSTILE if ";" not in text])
def test_an_apostrophe_that_was_added_can_be_taken_away_again(text):
    cell = exports.cell(text)

    assert cell in (text, f"'{text}")
    assert (cell != text) == text.lstrip(' "').startswith((*STARTS, "'"))


@pytest.mark.parametrize("number", [0, 1, 100, 101, 200])
def test_each_format_is_whole_whatever_the_number_of_keys(alice, number):
    many(alice, number)
    query = ListState.from_url({}, may_see_all=False).query

    for form in Format:
        text = b"".join(Export(caller_for(alice), query, form)).decode()
        found = rows_of(text) if form is Format.CSV else json.loads(text)
        assert [row["name"] for row in found] == [f"key {index:05}" for index in reversed(range(number))]
        assert all(tuple(row) == COLUMNS for row in found)


# The page


def test_alice_exports_what_the_list_shows_with_names_as_they_are(alice, alice_client, bob, create_key):
    for name in HOSTILE[:3]:
        create_key(alice, name, "=1")
    off = create_key(alice, "off")
    create_key(bob, "bob's")
    ApiKeyRecord.objects.filter(id=off.key.id).update(disabled=True)
    shown = page(alice_client.get(f"{KEYS}?status=active&q=1&sort=name"))

    links = {link.text: link["href"] for link in shown.find(id="m-export").find_all("a")}
    as_csv = alice_client.get(links["Export as CSV"])
    text = b"".join(as_csv.streaming_content).decode()
    found = b"".join(alice_client.get(links["Export as JSON"]).streaming_content).decode()

    assert text.startswith(BYTE_ORDER_MARK)
    assert [row["name"] for row in rows_of(text.removeprefix(BYTE_ORDER_MARK))] == ["'+1", "'-1+2", "'=1+1"]
    assert [key["name"] for key in json.loads(found)] == ["+1", "-1+2", "=1+1"]
    assert {(key["owner"], key["owner_user_id"], key["status"]) for key in json.loads(found)} == {
        ("Alice Liddell", "alice", "active")
    }
    assert as_csv["Content-Type"] == "text/csv; charset=utf-8"
    assert as_csv["Content-Disposition"].endswith('.csv"')
    assert off.value not in text + found


def test_an_export_is_an_audit_event_with_its_filters_and_on_the_dashboard(alice, dora_client, alices_key):
    exported(dora_client, f"view=all&owner={alice.iam_id}&q=terra&status=active&format=json")

    event = AuditEvent.objects.get(action="iam-identity.user-apikey.export")
    told = {"format": "json", "keys": "all", "owner": alice.iam_id, "search": "terra", "status": "active"}
    assert (event.outcome, event.request_data) == ("success", told)
    assert "List of API keys exported" in page(dora_client.get("/")).text


def test_nobody_exports_what_they_do_not_see_and_no_export_begins_without_a_format(alice, bob_client, alices_key):
    as_bobs = exported(bob_client, f"view=all&owner={alice.iam_id}&whose=alice&format=csv")
    nonsense = bob_client.get(f"{EXPORT}?format=xml")

    assert rows_of(as_bobs) == []
    assert nonsense.status_code == 400
    assert AuditEvent.objects.filter(action="iam-identity.user-apikey.export").count() == 1


def test_an_owner_who_is_not_clear_is_asked_for_and_nothing_is_exported(dora_client, alices_key):
    answer = dora_client.get(f"{EXPORT}?whose=nobody&format=csv")

    assert (answer.status_code, answer["Location"]) == (303, f"{KEYS}?view=all&whose=nobody")


@pytest.mark.parametrize("fault", [SearchTooSlow, OperationalError, RuntimeError])
def test_an_export_that_ends_early_does_not_look_whole(alice, alice_client, monkeypatch, fault):
    many(alice, 101)

    def fail(*_args):
        raise fault

    monkeypatch.setattr(keys, "list_api_keys", fail)
    as_csv, as_json = (exported(alice_client, f"format={form}") for form in Format)

    assert rows_of(as_csv.removeprefix(BYTE_ORDER_MARK))[-1]["id"].startswith("INCOMPLETE")
    with pytest.raises(ValueError, match="Expecting"):
        json.loads(as_json)


def test_exports_leave_threads_to_others_and_give_their_places_back(alice, alice_client, alices_key):
    query = ListState.from_url({}, may_see_all=False).query
    under_way = Export(caller_for(alice), query, Format.CSV)

    with pytest.raises(ExportsBusy):
        Export(caller_for(alice), query, Format.CSV)
    busy = alice_client.get(f"{EXPORT}?format=csv")
    under_way.close()
    under_way.close()

    assert (busy.status_code, "Other exports are under way." in page(busy).text) == (503, True)
    assert len(rows_of(exported(alice_client))) == 1
    assert len(rows_of(exported(alice_client))) == 1


def test_an_export_of_thousands_of_keys_takes_no_more_memory_than_one_of_hundreds(alice):
    many(alice, 3_000)
    query = ListState.from_url({}, may_see_all=False).query
    parts = iter(Export(caller_for(alice), query, Format.CSV))
    sizes = [len(next(parts)) for _part in range(5)]

    tracemalloc.start()
    before, _peak = tracemalloc.get_traced_memory()
    sizes += [len(part) for part in parts]
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert sum(sizes) > 600_000
    assert peak - before < 1_000_000 + exporting.PAGE_SIZE * 2_000


# REST and the command line


def test_pages_over_rest_are_the_export_and_the_first_is_audited(alice, create_key):
    for number in range(3):
        create_key(alice, f"key {number}")
    program = program_of(alice)

    first = program.get("/v1/apikeys/export?pagesize=2&format=csv").json()
    second = program.get(first["next"]).json()

    from_page = json.loads(
        b"".join(Export(caller_for(alice), ListState.from_url({}, may_see_all=False).query, Format.JSON))
    )
    assert first["apikeys"] + second["apikeys"] == from_page[::-1]
    events = AuditEvent.objects.filter(action="iam-identity.user-apikey.export")
    assert [event.request_data["format"] for event in events.order_by("event_time")] == ["csv", "json"]


@pytest.mark.parametrize(("owner", "status"), [("alice", 200), ("zoe", 400), ("li", 400), ("", 200)])
def test_a_program_of_an_administrator_asks_for_an_owner(dora, alice, bob, alices_key, owner, status):
    bob.last_name = "Li"
    bob.save()

    answer = program_of(dora).get(f"/v1/apikeys?owner={owner}")

    assert answer.status_code == status
    if status == 200:
        assert answer.json().get("applied") == (["owner"] if owner else None)
        assert [key["name"] for key in answer.json()["apikeys"]] == (["terraform"] if owner else [])


def test_the_command_line_exports_to_a_private_file_that_was_not_there(logged_in, three_keys):
    done = logged_in.run("iam", "api-keys", "-n", "terra", "--sort", "name", "--export", "keys.csv")
    refused(logged_in.run("iam", "api-keys", "--export", "keys.csv"), "already exists")
    printed = logged_in.run("iam", "api-keys", "--export", "-", "--format", "json")

    file = logged_in.home / "keys.csv"
    assert done.out == "OK\nExported 2 API keys to keys.csv\n"
    assert [row["name"] for row in rows_of(file.read_text(encoding="utf-8"))] == ["terraform", "Terraform-test"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert {key["id"] for key in json.loads(printed.out)} == {key["id"] for key in three_keys.values()}


def test_who_is_no_administrator_exports_nobody_elses_keys_and_leaves_no_file(logged_in, three_keys):
    for whose in (["--all"], ["--owner", "admin"]):
        refused(logged_in.run("iam", "api-keys", *whose, "--export", "all.csv"), "not authorized")

    assert not (logged_in.home / "all.csv").exists()
