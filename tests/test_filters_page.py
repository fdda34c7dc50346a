"""The filters of the list: what can be chosen, what is found, how it stands in the address and is taken away again."""

import csv
import io
import json
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.utils import timezone

from apikeys.backends import finding
from apikeys.iam.exports import BYTE_ORDER_MARK
from apikeys.models import ApiKeyRecord
from tests.addresses import KEYS
from tests.markup import Element, fields, page
from tests.test_pages import many, names, pager, queries_of, standing, walk

STATES = {
    "old": {"created_at": timedelta(days=-400), "last_used_at": timedelta(days=-100)},
    "new": {"created_at": timedelta(), "last_used_at": timedelta(days=-1)},
    "ending": {"created_at": timedelta(days=-20), "expires_at": timedelta(days=10), "last_used_at": timedelta(days=-2)},
    "over": {"created_at": timedelta(days=-30), "expires_at": timedelta(days=-1)},
    "off": {"created_at": timedelta(days=-40), "disabled": True},
    "held": {"created_at": timedelta(days=-50), "locked": True},
    "public": {"created_at": timedelta(days=-60), "leaked": True, "expires_at": timedelta(days=60)},
}


@pytest.fixture
def seven(alice, create_key) -> None:
    """Keys of Alice in every state that there is a filter for."""
    now = timezone.now()
    for name, state in STATES.items():
        made = create_key(alice, name).key.id
        moments = {column: now + value if isinstance(value, timedelta) else value for column, value in state.items()}
        ApiKeyRecord.objects.filter(id=made).update(modified_at=now, **moments)


def day(days: int) -> str:
    return f"{timezone.now() + timedelta(days=days):%Y-%m-%d}"


def filters_form(tree: Element) -> Element:
    return tree.find("form", id="m-filters")


def chips(tree: Element) -> dict[str, str]:
    """Return where the links lead that take filters away, by their words."""
    return {link.text: link["href"] for lines in tree.find_all("ul", class_="chips") for link in lines.find_all("a")}


def asked(address: str) -> dict[str, str]:
    return {name: value for name, [value] in parse_qs(urlsplit(address).query).items()}


CHOSEN = [
    ({"status": "active"}, {"old", "new", "ending"}),
    ({"status": "expired"}, {"over"}),
    ({"status": "disabled"}, {"off"}),
    ({"status": "locked"}, {"held"}),
    ({"status": "leaked"}, {"public"}),
    ({"expires_within_days": "7"}, set()),
    ({"expires_within_days": "14"}, {"ending"}),
    ({"expires_within_days": "90"}, {"ending", "public"}),
    ({"unused_for_days": "90"}, {"old", "over", "off", "held", "public"}),
    ({"never_used": "true"}, {"over", "off", "held", "public"}),
    ({"never_used": "false", "unused_for_days": "90"}, {"old"}),
    ({"leaked": "true"}, {"public"}),
    ({"leaked": "false"}, set(STATES) - {"public"}),
    ({"created_since": day(-35)}, {"new", "ending", "over"}),
    ({"created_since": day(-35), "status": "active"}, {"new", "ending"}),
    ({"created_since": day(-35), "status": "active", "expires_within_days": "30"}, {"ending"}),
]


@pytest.mark.parametrize(("chosen", "found"), CHOSEN)
def test_what_is_chosen_in_the_form_is_found(alice_client, seven, chosen, found):
    form = filters_form(page(alice_client.get(KEYS)))

    tree = page(alice_client.get(form["action"], fields(form) | chosen))

    assert form["method"] == "get"
    assert set(names(tree)) == found
    assert {name: fields(filters_form(tree))[name] for name in chosen} == chosen


@pytest.mark.parametrize(("chosen", "found"), CHOSEN)
def test_an_administrator_exports_what_the_list_of_an_owner_shows(dora, dora_client, create_key, seven, chosen, found):
    create_key(dora, "dora's own")
    form = filters_form(page(dora_client.get(KEYS, {"view": "all", "sort": "name"})))

    shown = page(dora_client.get(form["action"], fields(form) | chosen | {"whose": "alice@example.com"}, follow=True))
    links = [link["href"] for menu in shown.find_all(id="m-export") for link in menu.find_all("a")]
    exported = [b"".join(dora_client.get(link).streaming_content).decode() for link in links]

    assert names(shown) == sorted(found)
    assert len(links) == (2 if found else 0)
    for text in exported[:1]:
        lines = csv.DictReader(io.StringIO(text.removeprefix(BYTE_ORDER_MARK)))
        assert [(line["name"], line["owner_user_id"]) for line in lines] == [(name, "alice") for name in sorted(found)]
    for text in exported[1:]:
        assert [key["name"] for key in json.loads(text)] == sorted(found)


def test_each_filter_says_what_can_be_chosen(alice_client, alices_key):
    form = filters_form(page(alice_client.get(KEYS)))

    offered = {
        form.find("label", for_=select["id"]).text: [option.text for option in select.find_all("option")]
        for select in form.find_all("select")
    }
    assert offered == {
        "Status": ["Any", "Active", "Disabled", "Paused", "Locked", "Expired", "Leaked"],
        "Expires": ["Any", "Within 7 days", "Within 14 days", "Within 30 days", "Within 90 days"],
        "Not used for": ["Any", "90 days, or ever"],
        "Never used": ["Any", "Yes, and 7 days old or older", "No"],
        "Leaked": ["Any", "Yes", "No"],
    }
    assert form.find("label", for_=form.find("input", type="date")["id"]).text == "Created since (UTC)"


def test_each_filter_that_is_set_can_be_taken_away_alone_and_all_at_once(alice_client, seven):
    address = f"{KEYS}?view=&q=n&status=active&created_since=2020-02-29&sort=name&per_page=50"

    tree = page(alice_client.get(address))

    rest = {"q": "n", "sort": "name", "per_page": "50"}
    assert {words: asked(url) for words, url in chips(tree).items()} == {
        "Clear filter Status: Active": rest | {"created_since": "2020-02-29"},
        "Clear filter Created since (UTC): 29 Feb 2020": rest | {"status": "active"},
        "Clear all": rest,
    }
    without = page(alice_client.get(chips(tree)["Clear all"]))
    assert chips(without) == {}
    assert names(without) == ["ending", "new"]


def test_filters_are_kept_through_search_order_size_and_page(alice, alice_client):
    many(alice, 60)
    ApiKeyRecord.objects.filter(name__lt="key 00030").update(disabled=True, modified_at=timezone.now())
    chosen = {"status": "disabled", "created_since": "2020-01-01"}

    first = page(alice_client.get(KEYS, chosen))
    form = first.find("form", role="search")
    found = page(alice_client.post(form["action"], fields(form, first) | {"q": "key"}, follow=True))
    by_name = page(alice_client.get(found.find("a", id="sort-name")["href"]))
    small = page(alice_client.get(KEYS, fields(by_name.find(class_="pager").find("form")) | {"per_page": "10"}))
    turned = page(alice_client.get(KEYS, fields(small.find("form", class_="sort")) | {"sort": "-name"}))
    pages = walk(alice_client, f"{KEYS}?{urlsplit(pager(turned, 'last')).query}", "prev")

    assert [standing(tree) for tree in (first, found, by_name)] == ["Found: 1–25 of 30"] * 3
    assert [standing(tree) for tree in (small, turned)] == ["Found: 1–10 of 30"] * 2
    assert [name for tree in pages for name in sorted(names(tree))] == [f"key {number:05}" for number in range(30)]
    assert {tuple(sorted(chips(tree))) for tree in (found, by_name, small, turned, *pages)} == {
        ("Clear all", "Clear filter Created since (UTC): 1 Jan 2020", "Clear filter Status: Disabled")
    }


def test_filters_keep_the_search_but_never_a_value_of_a_key(alice_client, alices_key):
    found = page(alice_client.get(KEYS, {"q": alices_key.value, "status": "active"}, follow=True))

    kept = fields(filters_form(found))
    told = [name for name, text in kept.items() if alices_key.value in text]
    assert told == []
    assert (kept["q"], kept["status"]) == (alices_key.key.hint, "active")
    assert names(found) == ["terraform"]


@pytest.mark.parametrize(
    ("address", "told", "ways"),
    [
        ("?status=leaked", "No key matches your filters", ["Clear filters"]),
        ("?status=leaked&q=x", "No key matches your search and filters", ["Clear search", "Clear filters"]),
    ],
)
def test_where_nothing_is_found_the_filters_are_named_and_can_be_cleared(alice_client, alices_key, address, told, ways):
    tree = page(alice_client.get(KEYS + address))

    empty = tree.find(class_="empty")
    assert (empty.find("h2").text, empty.find("p").text) == (told, "Status: Leaked")
    assert [link.text for link in empty.find_all("a")] == ways
    assert asked(empty.find_all("a")[-1]["href"]) == {
        name: text for name, text in asked(address).items() if name == "q"
    }
    assert tree.find(id="keys")["data-announcement"] == told
    assert filters_form(tree)


def test_a_screen_reader_hears_how_many_keys_the_filters_leave(alice_client, seven):
    told = [
        page(alice_client.get(f"{KEYS}?status={status}")).find(id="keys")["data-announcement"]
        for status in ("active", "expired", "")
    ]

    assert told == ["3 keys found", "1 key found", "1–7 of 7"]


@pytest.mark.parametrize(
    "query",
    [
        "status=", "status=ACTIVE", "status=active%20", "status=%00", "expires_within_days=8", "expires_within_days=-7",
        "expires_within_days=7.0", f"expires_within_days={'7' * 5000}", "unused_for_days=0", "unused_for_days=30",
        "leaked=1", "leaked=True", "created_since=20200101", "created_since=2020-W01-1", "created_since=2020-02-30",
        "created_since=0000-01-01", "created_since=2020-01-01T00:00", "created_since=２０２０-01-01", "created_since=x",
        "created_since=%FF", "created_since=+2020-01-1", "never_used=1",
    ],
)  # fmt: skip
def test_a_filter_that_cannot_be_read_is_none(alice_client, alices_key, query):
    response = alice_client.get(f"{KEYS}?{query}")

    assert response.status_code == 200
    assert names(page(response)) == ["terraform"]
    assert chips(page(response)) == {}


@pytest.mark.parametrize("since", ["0001-01-01", "9999-12-31"])
def test_the_first_and_the_last_day_of_the_calendar_are_days(alice_client, alices_key, since):
    tree = page(alice_client.get(KEYS, {"created_since": since}))

    assert names(tree) == (["terraform"] if since < "2020" else [])
    assert fields(filters_form(tree))["created_since"] == since


def test_dora_filters_everybodys_keys(alice, bob, dora_client, create_key):
    for person in (alice, bob):
        for name in ("on", "off"):
            create_key(person, name)
    ApiKeyRecord.objects.filter(name="off").update(disabled=True, modified_at=timezone.now())
    form = filters_form(page(dora_client.get(f"{KEYS}?view=all")))

    tree = page(dora_client.get(form["action"], fields(form) | {"status": "disabled"}))

    assert names(tree) == ["off", "off"]
    assert len(tree.find_all("td", data_label="Owner")) == 2
    assert {asked(url)["view"] for url in chips(tree).values()} == {"all"}


def test_an_administrator_without_keys_has_nothing_to_filter(dora_client, alices_key):
    tree = page(dora_client.get(KEYS))

    assert tree.find_all("form", id="m-filters") == []


# Order


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("last_used", ["held", "off", "over", "public", "old", "ending", "new"]),
        ("expires", ["over", "ending", "public", "held", "new", "off", "old"]),
        ("created", ["old", "public", "held", "off", "over", "ending", "new"]),
    ],
)
def test_keys_are_sorted_by_what_only_some_of_them_have(alice_client, seven, sort, order):
    tree, reverse = (page(alice_client.get(KEYS, {"sort": one})) for one in (sort, f"-{sort}"))

    def blurred(found: list[str]) -> list[str]:
        """Those that have it in their order, the others by name, as they are the same."""
        same = {name for name in STATES if f"{sort}_at" not in STATES[name]} if sort != "created" else set()
        rest = sorted(same & set(found))
        return [rest.pop(0) if name in same else name for name in found]

    assert blurred(names(tree)) == order
    assert names(reverse) == names(tree)[::-1]


def test_a_screen_offers_every_order_and_says_which_it_is(alice_client, seven):
    form = page(alice_client.get(f"{KEYS}?sort=-expires")).find("form", class_="sort")

    options = form.find("select", name="sort").find_all("option")
    assert fields(form)["sort"] == "-expires"
    assert sorted(option["value"].removeprefix("-") for option in options) == sorted(
        2 * ["name", "description", "created", "created_by", "last_used", "expires"]
    )
    assert len({option.text for option in options}) == len(options)


@pytest.mark.parametrize("column", ["description", "last_used"])
def test_every_column_that_can_be_sorted_by_has_a_head_that_does_it(alice_client, seven, column):
    seen = []
    tree = page(alice_client.get(KEYS))
    for _press in range(2):
        tree = page(alice_client.get(tree.find("a", id=f"sort-{column}")["href"]))
        seen += [head["aria-sort"] for head in tree.find_all("th", role="columnheader") if "aria-sort" in head]

    assert sorted(seen) == ["ascending", "descending"]


# What is asked


def test_a_filtered_list_asks_as_little_however_many_keys_there_are(alice, alice_client):
    many(alice, 2_000)

    asked_for = [sql for sql in queries_of(alice_client, f"{KEYS}?status=disabled") if "apikeys_apikeyrecord" in sql]

    assert asked_for
    assert [sql for sql in asked_for if "LIMIT" not in sql] == []
    assert {sql.partition("OFFSET ")[2] for sql in asked_for} <= {"", str(finding.NEAR)}
