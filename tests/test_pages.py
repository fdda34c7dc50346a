"""The dashboard and the list: what they say, and how search, order and place stand in the address."""

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.urls import resolve
from django.utils import timezone

from apikeys.models import ApiKeyRecord, new_api_key_id
from console.templatetags.console_tags import breakable
from tests.addresses import CREATE, KEYS, delete_address, details_address, edit_address
from tests.list_menu import buttons, links, menu_of, opener
from tests.markup import Element, fields, page, parse

HTMX = {"HX-Request": "true"}


def names(tree: Element) -> list[str]:
    return [cell.text for cell in tree.find_all("th", role="rowheader")]


def key_ids(tree: Element) -> list[str]:
    return [cell.find("a")["id"] for cell in tree.find_all("th", role="rowheader")]


def pager(tree: Element, rel: str) -> str:
    """Return where the pager's link leads, "" when it leads nowhere."""
    return "".join(link["href"] for link in tree.find_all("a", rel=rel))


def walk(client, url: str, rel: str = "next") -> list[Element]:
    """Follow the pager to its end."""
    pages = [page(client.get(url))]
    while (url := pager(pages[-1], rel)) and len(pages) < 50:
        pages.append(page(client.get(url)))
    assert len(pages) < 50, "the pager does not end"
    return pages


def many(person, number: int, name=lambda index: f"key {index:05}") -> None:
    """Give a person many keys, a minute apart, the last one newest."""
    start = timezone.now() - timedelta(days=30)
    ApiKeyRecord.objects.bulk_create(
        ApiKeyRecord(
            id=new_api_key_id(),
            iam_id=person.iam_id,
            account_id=person.account_id,
            created_by=person.iam_id,
            created_at=start + timedelta(minutes=index),
            name=name(index),
            description=f"number {index}",
            name_folded=name(index).casefold(),
            description_folded=f"number {index}",
            pepper=1,
            digest=f"{person.pk:032x}{index:032x}",
            hint="apk_…0000",
        )
        for index in range(number)
    )


# Dashboard


def test_the_dashboard_counts_names_the_newest_and_leads_on(alice, alice_client, create_key):
    for name in ("one", "two", "three"):
        create_key(alice, name)

    tree = page(alice_client.get("/"))

    tiles = {tile.find(class_="label").text: tile for tile in tree.find_all("a", class_="tile")}
    assert tiles["API keys"].find("strong").text == "3"
    assert tiles["API keys"]["href"] == KEYS
    assert tiles["Create API key"]["href"] == CREATE
    assert [link.text for link in tree.find("section", aria_labelledby="newest").find_all("a")] == [
        "three",
        "two",
        "one",
    ]
    assert "What to do next" not in tree.text
    assert "Needs attention" not in tree.text
    assert "in the last thirty days" not in tree.text
    assert "Welcome, Alice Liddell." in tree.text


def test_the_dashboard_of_somebody_new_leads_to_a_first_key_and_has_no_activity(alice_client):
    tree = page(alice_client.get("/"))

    [section] = tree.find_all("section")
    assert section.find("h2").text == "What to do next"
    assert section.find("a", href=CREATE).text == "Create your first API key"
    assert tree.find_all("table") == []


def test_the_dashboard_tells_what_alice_did_lately(alice, alice_client, alices_key):
    alice_client.post(delete_address(alices_key.key.id))

    rows = [row.text for row in page(alice_client.get("/")).find("tbody").find_all("tr")]

    assert len(rows) == 2
    assert rows[0].startswith("API key deleted terraform 127.0.0.1")
    assert rows[1].startswith("API key created terraform 192.0.2.7")


def test_bob_sees_nothing_of_alice_on_his_dashboard(bob_client, alices_key):
    assert "terraform" not in bob_client.get("/").content.decode()


# List


def test_the_list_shows_what_there_is_to_know_of_a_key_and_never_its_value(alice_client, alices_key):
    response = alice_client.get(KEYS)

    tree = page(response)
    [row] = tree.find("tbody").find_all("tr")
    made = alices_key.key.created_at
    assert [cell.text for cell in row.find_all("th") + row.find_all("td")[1:6]] == [
        "terraform", alices_key.key.hint, "Applies changes", "Active",
        f"just now {made.day} {made:%b %Y, %H:%M} UTC", "Never",
    ]  # fmt: skip
    assert tree.find("h1").text == "API keys"
    assert [header.text for header in tree.find("thead").find_all("th")] == [
        "Choose", "Name", "Key", "Description", "Status", "Created", "Last used", "Actions",
    ]  # fmt: skip
    found = alices_key.value in response.content.decode()
    assert not found


def test_the_name_of_a_key_leads_to_its_details(alice_client, alices_key):
    link = page(alice_client.get(KEYS)).find("th", role="rowheader").find("a")

    assert (link.text, link["href"]) == ("terraform", details_address(alices_key.key.id))
    assert page(alice_client.get(link["href"])).find("dialog")["id"] == "details"


def test_each_key_has_its_actions_behind_a_link_that_names_it_and_leads_to_its_details(alice_client, alices_key):
    tree = page(alice_client.get(KEYS))

    link, menu = opener(tree), menu_of(tree)
    assert (link.text, link["href"]) == ("Actions for terraform", details_address(alices_key.key.id))
    assert links(menu) == [
        ("Details", details_address(alices_key.key.id)),
        ("Edit API key", edit_address(alices_key.key.id)),
        ("Rotate API key", f"{details_address(alices_key.key.id)}rotate/"),
        ("Delete key", delete_address(alices_key.key.id)),
    ]
    assert buttons(menu) == [
        ("Lock API key", f"{details_address(alices_key.key.id)}lock/"),
        ("Disable API key", f"{details_address(alices_key.key.id)}disable/"),
    ]


STATES = [{}, {"locked": True}, {"disabled": True}, {"disabled": True, "locked": True}]


@pytest.mark.parametrize("state", STATES)
def test_details_offer_as_buttons_what_the_menu_of_the_row_offers(alice_client, alices_key, state):
    ApiKeyRecord.objects.update(modified_at=timezone.now(), **state)
    tree = page(alice_client.get(f"{KEYS}?sort=name"))

    form = page(alice_client.get(opener(tree)["href"])).find("form", class_="row")

    menu = menu_of(tree)
    assert [(link.text, link["href"]) for link in form.find_all("a")] == links(menu)[1:]
    assert [(button.text, button["formaction"]) for button in form.find_all("button")] == buttons(menu)


def test_the_addresses_of_a_row_are_those_of_the_pages(alice, alice_client, create_key):
    for state in STATES:
        ApiKeyRecord.objects.filter(id=create_key(alice, "one").key.id).update(modified_at=timezone.now(), **state)

    tree = page(alice_client.get(KEYS))

    menus = [menu_of(tree, key_id) for key_id in key_ids(tree)]
    names = {resolve(action.address).url_name for menu in menus for action in menu}
    assert names == {
        f"api_key_{name}" for name in ("details", "edit", "rotate", "lock", "unlock", "disable", "enable", "delete")
    }


def test_a_locked_key_offers_nothing_but_its_details_and_to_be_unlocked(alice_client, alices_key):
    ApiKeyRecord.objects.update(locked=True)

    menu = menu_of(page(alice_client.get(KEYS)))

    assert [action.words for action in menu] == ["Details", "Unlock API key"]


@pytest.mark.parametrize(
    ("state", "word"),
    [
        ({}, "Active"),
        ({"locked": True}, "Locked"),
        ({"disabled": True}, "Disabled"),
        ({"disabled": True, "locked": True}, "Disabled"),
    ],
)
def test_the_status_is_said_in_words(alice_client, alices_key, state, word):
    ApiKeyRecord.objects.filter(id=alices_key.key.id).update(modified_at=timezone.now(), **state)

    assert page(alice_client.get(KEYS)).find("td", class_="c-status").text == word


def test_moments_are_written_in_utc_and_for_machines_too(alice_client, alices_key):
    ApiKeyRecord.objects.update(
        created_at=datetime(2026, 3, 4, 23, 59, 58, tzinfo=UTC), last_used_at=datetime(2026, 11, 5, tzinfo=UTC)
    )

    times = page(alice_client.get(KEYS)).find("tbody").find_all("time")

    assert [(time.find(class_="exact").text, time["datetime"]) for time in times] == [
        ("4 Mar 2026, 23:59 UTC", "2026-03-04T23:59:58+00:00"),
        ("5 Nov 2026, 00:00 UTC", "2026-11-05T00:00:00+00:00"),
    ]


@pytest.mark.parametrize(
    ("away", "told"),
    [
        (timedelta(days=5), "Expires in 5 days"),
        (timedelta(days=30), "Expires in 30 days"),
        (timedelta(hours=3), "Expires in 3 hours"),
        (timedelta(days=-6), "Expired 6 days ago"),
    ],
)
def test_the_list_tells_when_a_key_expires_or_did(alice_client, alices_key, away, told):
    end = timezone.now() + away
    ApiKeyRecord.objects.update(expires_at=end, modified_at=timezone.now())

    expiry = page(alice_client.get(KEYS)).find("td", class_="c-status").find(class_="small expiry")

    assert expiry.text == f"{told} {end.day} {end:%b %Y, %H:%M} UTC"


def test_a_key_without_description_shows_a_dash(alice, alice_client, create_key):
    create_key(alice, "terraform", "")

    [row] = page(alice_client.get(KEYS)).find("tbody").find_all("tr")

    assert row.find("td", class_="c-desc").text == "–"


def test_somebody_without_keys_is_led_to_the_first_one(alice_client):
    tree = page(alice_client.get(KEYS))

    empty = tree.find(class_="empty")
    assert empty.find("h2").text == "You have no API keys yet"
    assert empty.find("a")["href"] == CREATE
    assert tree.find_all("table") == tree.find_all("form", role="search") == []


def test_bob_sees_his_keys_and_none_of_alices(alice, bob, bob_client, create_key):
    create_key(alice, "alice's")
    create_key(bob, "bob's")

    assert names(page(bob_client.get(KEYS))) == ["bob's"]


def test_the_way_to_the_page_is_manage_security_api_keys(alice_client):
    for way in ("/manage/", "/manage/security/"):
        assert alice_client.get(way, follow=True).request["PATH_INFO"] == KEYS
    header = page(alice_client.get(KEYS)).find("header", class_="header")

    menu = header.find(id="m-manage")
    button = header.find("button", popovertarget="m-manage")
    assert button.text == "Manage"
    assert menu.find("h2").text == "Security"
    [(words, address, current), *others] = [
        (link.text, link["href"], link.attributes.get("aria-current")) for link in menu.find_all("a")
    ]
    assert (words, address, current) == ("API keys", KEYS, "page")
    assert all(current is None for _words, _address, current in others)


def test_the_brand_stands_before_the_name_of_the_page(alice_client, settings):
    settings.CONSOLE_BRAND = "Acme & Söhne <b>"

    tree = page(alice_client.get(KEYS))

    assert tree.find("h1").text == "Acme & Söhne <b> API keys"
    assert tree.find("title").text == "Acme & Söhne <b> API keys – Acme & Söhne <b> Console"


# Search, order, page: plain addresses


def test_search_without_script_leads_to_the_address_of_what_it_found(alice, alice_client, create_key):
    for name in ("terraform dev", "terraform prod", "ansible"):
        create_key(alice, name)
    shown = page(alice_client.get(f"{KEYS}?sort=name&per_page=50"))
    form = shown.find("form", role="search")

    answer = alice_client.post(form["action"], fields(form, shown) | {"q": "TERRAFORM"})

    assert (form["method"], answer.status_code) == ("post", 303)
    assert answer["Location"] == f"{KEYS}?q=TERRAFORM&sort=name&per_page=50"
    tree = page(alice_client.get(answer["Location"]))
    assert names(tree) == ["terraform dev", "terraform prod"]
    assert tree.find("input", id="q")["value"] == "TERRAFORM"
    assert fields(tree.find("nav", class_="pager").find("form"))["per_page"] == "50"


def test_a_search_without_a_match_says_so_and_leads_back(alice_client, alices_key):
    tree = page(alice_client.get(KEYS, {"q": "nothing like it"}))

    empty = tree.find(class_="empty")
    assert empty.find("h2").text == "No key matches your search"
    assert empty.find("a")["href"] == KEYS
    assert tree.find("input", id="q")["value"] == "nothing like it", "it can be corrected"


@pytest.mark.parametrize(
    "search", ["%", "_", "o'neill<b>&\"", "\\", "a&b=c", "a+b", "a b", "#x", "金鑰", "🔑", "%00", "%2F"]
)
def test_a_search_is_kept_in_every_link_and_finds_itself(alice, alice_client, create_key, search):
    for index in range(12):
        create_key(alice, f"{search} {index}")
    create_key(alice, "another")

    first = page(alice_client.get(KEYS, {"q": search, "per_page": 10}))
    second = page(alice_client.get(pager(first, "next")))

    assert (len(names(first)), len(names(second))) == (10, 2)
    assert second.find("input", id="q")["value"] == search


@pytest.mark.parametrize("beside", ["{}", " {} ", "{}\n", "found in a log: {}, twice"])
def test_a_value_that_was_found_leads_to_its_key_and_is_in_no_address(alice, alice_client, create_key, beside):
    issued, *_others = [create_key(alice, name) for name in ("terraform", "ansible")]
    form = page(alice_client.get(KEYS)).find("form", role="search")

    posted = alice_client.post(KEYS, fields(form) | {"q": beside.format(issued.value)})
    asked = alice_client.get(KEYS, {"q": beside.format(issued.value)})

    found = page(alice_client.get(KEYS, {"q": issued.value}, follow=True))
    assert (posted.status_code, asked.status_code) == (303, 303)
    assert posted["Location"] == asked["Location"]
    kept = [
        place
        for place in (posted["Location"], found.raw, str(found.find("input", id="q").attributes))
        if issued.value in place
    ]
    assert kept == []
    assert parse_qs(urlsplit(posted["Location"]).query)["q"] == [beside.strip().format(issued.key.hint)]
    assert names(found) == ["terraform"]
    assert found.find("input", id="q")["value"] == issued.key.hint


@pytest.mark.parametrize(
    "search", ["ApiKey-12345678-1234-1234-1234-123456789abc", "terraform-production-eu-west-1-and-more-words"]
)
def test_what_is_no_value_is_searched_for_as_it_is(alice_client, alices_key, search):
    tree = page(alice_client.get(KEYS, {"q": search}))

    assert tree.find("input", id="q")["value"] == search


# Where a page stands


def test_each_page_tells_where_it_stands_and_leads_to_both_ends(alice, alice_client):
    many(alice, 60)

    first, second, third = walk(alice_client, KEYS)

    assert [standing(tree) for tree in (first, second, third)] == ["1–25 of 60", "26–50 of 60", "51–60 of 60"]
    assert [bool(pager(tree, "first")) for tree in (first, second, third)] == [False, True, True]
    assert [bool(pager(tree, "last")) for tree in (first, second, third)] == [True, True, False]
    last = page(alice_client.get(pager(first, "last")))
    assert (names(last), standing(last)) == (names(third), "51–60 of 60")
    assert names(page(alice_client.get(pager(last, "first")))) == names(first)


def test_a_search_tells_how_many_keys_it_found(alice, alice_client):
    many(alice, 60)

    assert standing(page(alice_client.get(KEYS, {"q": "key 0000"}))) == "Found: 1–10 of 10"


def test_more_than_a_thousand_keys_are_counted_no_further(alice, alice_client):
    many(alice, 1_100)

    first = page(alice_client.get(f"{KEYS}?per_page=100"))
    pages = walk(alice_client, f"{KEYS}?per_page=100")
    last = page(alice_client.get(pager(first, "last")))

    assert [standing(tree) for tree in (first, pages[9])] == ["1–100 of 1,000+", "901–1,000 of 1,000+"]
    assert standing(pages[10]) == "1,001–1,100 of 1,000+"
    assert names(last)[-1] == "key 00000"
    assert names(last) == names(pages[10])


def test_more_than_a_hundred_keys_that_are_found_are_counted_no_further(alice, alice_client):
    many(alice, 150)

    pages = walk(alice_client, f"{KEYS}?q=key&per_page=50")

    assert [standing(tree) for tree in pages] == [
        "Found: 1–50 of 100+", "Found: 51–100 of 100+", "Found: 101–150 of 100+",
    ]  # fmt: skip
    assert names(page(alice_client.get(pager(pages[0], "last")))) == names(pages[2])


def test_beyond_the_first_thousand_no_number_is_made_up(alice, alice_client):
    many(alice, 1_300)

    pages = walk(alice_client, f"{KEYS}?per_page=100")

    assert [standing(tree) for tree in pages[10:]] == [
        "1,001–1,100 of 1,000+",
        "after the first 1,000",
        "the last 100 of more than 1,000",
    ]


def test_after_a_deletion_pages_stand_where_they_are_now(alice, alice_client):
    many(alice, 60)
    second = pager(page(alice_client.get(KEYS)), "next")
    ApiKeyRecord.objects.filter(name__gte="key 00055").delete()

    assert standing(page(alice_client.get(second))) == "21–45 of 55"


def standing(tree: Element) -> str:
    return tree.find("nav", class_="pager").find("p").text


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("", ["b", "c", "a"]),
        ("-created", ["b", "c", "a"]),
        ("created", ["a", "c", "b"]),
        ("name", ["a", "b", "c"]),
        ("-name", ["c", "b", "a"]),
    ],
)
def test_the_order_stands_in_the_address(alice, alice_client, create_key, sort, order):
    for name in ("a", "c", "b"):
        create_key(alice, name)

    tree = page(alice_client.get(KEYS, {"sort": sort} if sort else {}))

    column = "Name" if "name" in sort else "Created"
    direction = "ascending" if sort in ("created", "name") else "descending"
    assert names(tree) == order
    assert [(th.text, th["aria-sort"]) for th in tree.find_all("th") if "aria-sort" in th] == [(column, direction)]


def test_a_click_on_a_header_sorts_and_a_second_one_turns_round(alice, alice_client, create_key):
    for name in ("a", "c", "b"):
        create_key(alice, name)
    tree = page(alice_client.get(KEYS))

    seen = []
    for column in ("name", "name", "created", "created"):
        tree = page(alice_client.get(tree.find("a", id=f"sort-{column}")["href"]))
        seen.append("".join(names(tree)))

    assert seen == ["abc", "cba", "bca", "acb"]


@pytest.mark.parametrize("size", [10, 25, 50, 100])
def test_the_number_of_keys_on_a_page_can_be_chosen(alice, alice_client, size):
    many(alice, 101)
    form = page(alice_client.get(KEYS)).find("nav", class_="pager").find("form")

    tree = page(alice_client.get(form["action"], fields(form) | {"per_page": str(size)}))

    assert len(names(tree)) == size
    assert fields(tree.find("nav", class_="pager").find("form"))["per_page"] == str(size)


@pytest.mark.parametrize("sort", ["name", "-name", "created", "-created"])
def test_the_pager_shows_every_key_once_there_and_back(alice, alice_client, sort):
    many(alice, 35, name=lambda index: f"key {index * 7 % 10}")

    there = walk(alice_client, f"{KEYS}?sort={sort}&per_page=10")
    back = walk(alice_client, pager(there[-1], "prev"), "prev")

    ids = [row for tree in there for row in key_ids(tree)]
    assert [len(names(tree)) for tree in there] == [10, 10, 10, 5]
    assert len(ids) == len(set(ids)) == 35
    assert [names(tree) for tree in back] == [names(tree) for tree in reversed(there[:-1])]


@pytest.mark.parametrize("letter", ["é", "金", "🔑", "\ufdfa"])
def test_the_pager_gets_past_the_longest_names_of_every_script(alice, alice_client, create_key, letter):
    for index in range(12):
        create_key(alice, letter * 253 + f"{index:02}")

    there = walk(alice_client, f"{KEYS}?sort=name&per_page=10")

    assert [len(names(tree)) for tree in there] == [10, 2]
    assert sorted(name[-2:] for tree in there for name in names(tree)) == [f"{index:02}" for index in range(12)]


def test_the_first_page_has_no_way_back_and_the_last_none_on(alice, alice_client):
    many(alice, 30)

    first, last = walk(alice_client, KEYS)

    for tree, label in ((first, "Previous page"), (last, "Next page")):
        [link] = [link for link in tree.find("nav", class_="pager").find_all("a") if link.text == label]
        assert "href" not in link
        assert link["aria-disabled"] == "true"


def test_a_page_whose_keys_were_deleted_meanwhile_is_the_first_page(alice, alice_client):
    many(alice, 30)
    first = page(alice_client.get(KEYS))
    ApiKeyRecord.objects.exclude(name__gte="key 00005").delete()

    tree = page(alice_client.get(pager(first, "next")))

    assert names(tree) == names(first)


@pytest.mark.parametrize(
    "garbage",
    [
        "x", "AAAA", "é", "🔑", "W10", "W10=", "bnVsbA", "MQ", "Int9Ig", "eyJhIjoxfQ", "WzEsMiwzXQ", "WyJ4IiwieSIsMl0",
        "WyJ4IiwieSIsMF0", "WyIiLCIiLDFd", "WyJcdWQ4MDAiLCJ4IiwwXQ", "WyJcdTAwMDAiLCJcdTAwMDAiLDBd", "W1tbW1tb" * 400,
        "WyI5OTk5LTEyLTMxVDIzOjU5OjU5LTIzOjU5IiwieCIsMF0", "WyIwMDAxLTAxLTAxVDAwOjAwOjAwKzIzOjU5IiwieCIsMV0",
        "WzEsIngiLDBd", "WyJ4IiwxLDBd", "W251bGwsIngiLDFd", "W1siYSJdLHsiYiI6MX0sMF0",
        "MTExMQ" * 2000, "\0", "' OR 1=1 --", "../../etc/passwd",
    ],
)  # fmt: skip
@pytest.mark.parametrize("sort", ["name", "-created"])
def test_a_place_that_was_never_handed_out_is_no_error(alice_client, alices_key, sort, garbage):
    response = alice_client.get(KEYS, {"sort": sort, "at": garbage})

    assert response.status_code == 200
    assert names(page(response)) == ["terraform"]


@pytest.mark.parametrize(
    "query",
    [
        "sort=size", "sort=", "sort=--name", "sort=name;drop", "per_page=7", "per_page=-1", "per_page=1e9", "per_page=",
        "per_page=%00", "q=%00", "q=%ED%A0%80", "q=%FF", f"q={'x' * 5000}", "q=a&q=b", "unknown=1", "&&&===",
        "at=%FF%FE",
    ],
)  # fmt: skip
def test_an_address_of_nonsense_is_a_list_and_no_error(alice_client, alices_key, query):
    response = alice_client.get(f"{KEYS}?{query}")

    assert response.status_code == 200
    assert page(response).find("h1").text == "API keys"


# State kept on the way through dialogs


@pytest.fixture
def second(alice, alice_client) -> str:
    """The address of the second page of what was found, in another order."""
    many(alice, 30, name=lambda index: f"a b {index:02}")
    return pager(page(alice_client.get(KEYS, {"q": "a b", "sort": "name", "per_page": 10})), "next")


def test_dialogs_lead_back_to_the_list_as_it_was(alice_client, second):
    tree = page(alice_client.get(second))

    ways = [address for _words, address in links(menu_of(tree))] + [tree.find(class_="toolbar").find("a")["href"]]
    dialogs = [page(alice_client.get(way)).find("dialog") for way in ways]

    state = parse_qs(urlsplit(second).query)
    assert {"q", "sort", "per_page", "at"} == set(state)
    for dialog in dialogs:
        ends = [link["href"] for link in dialog.find_all("a")] + [form["action"] for form in dialog.find_all("form")]
        assert ends
        assert [parse_qs(urlsplit(end).query) for end in ends] == [state] * len(ends)


def test_after_a_deletion_alice_is_where_she_was(alice_client, second):
    shown = page(alice_client.get(second))

    response = alice_client.post(links(menu_of(shown))[-1][1])

    assert response.status_code == 303
    assert response["Location"] == second
    assert names(page(alice_client.get(second)))[:9] == names(shown)[1:]


# Page and fragment


def test_htmx_gets_the_table_alone_and_the_page_holds_the_very_same_table(alice, alice_client):
    many(alice, 30)

    whole = alice_client.get(KEYS, {"sort": "name"}).content.decode()
    fragment = alice_client.get(KEYS, {"sort": "name"}, headers=HTMX).content.decode()

    assert [element["id"] for element in page_roots(fragment)] == ["keys"]
    assert "".join(fragment.split()) in "".join(whole.split())


def test_going_back_in_history_gets_the_whole_page(alice_client, alices_key):
    response = alice_client.get(KEYS, headers=HTMX | {"HX-History-Restore-Request": "true"})

    assert page(response).find("html")


@pytest.mark.parametrize("address", [edit_address, delete_address, lambda _key_id: CREATE])
def test_htmx_gets_a_dialog_alone_and_a_browser_gets_it_over_the_list(alice_client, alices_key, address):
    whole = alice_client.get(address(alices_key.key.id))
    fragment = alice_client.get(address(alices_key.key.id), headers=HTMX)

    [dialog] = page_roots(fragment.content.decode())
    over = page(whole)
    assert dialog.tag == "dialog"
    assert over.find("dialog")["id"] == dialog["id"]
    assert "inert" in over.find("div", data_shell="")
    assert names(over) == ["terraform"]


def test_every_address_that_htmx_asks_for_also_stands_in_plain_html(alice, alice_client):
    many(alice, 30)
    tree = page(alice_client.get(KEYS))

    for link in (element for element in tree.find_all("a") if "hx-get" in element):
        assert link["href"] == link["hx-get"]
    for form in (element for element in tree.find_all("form") if "hx-get" in element):
        assert form["action"] == form["hx-get"]


def page_roots(html: str) -> list[Element]:
    return [child for child in parse(html).children if isinstance(child, Element)]


# Many keys


def queries_of(client, url: str) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code == 200
    return [query["sql"] for query in captured]


def test_ten_thousand_keys_need_the_questions_of_ten_and_a_bounded_count(alice, bob, alice_client, bob_client):
    many(alice, 10_000)
    many(bob, 10)

    for query in ("", "?sort=name", "?sort=-name"):
        few, lots = queries_of(bob_client, KEYS + query), queries_of(alice_client, KEYS + query)
        deep = queries_of(alice_client, pager(page(alice_client.get(KEYS + query)), "next"))

        # One for how many there are, and on a later page one for how many are before it.
        assert (len(lots) - len(few), len(deep) - len(few)) == (1, 2)
        asked = [sql for sql in lots + deep if "apikeys_apikeyrecord" in sql]
        assert len(asked) == 5
        for sql in asked:
            assert "OFFSET" not in sql
            assert sql.endswith("LIMIT 1001) subquery" if "COUNT" in sql else "LIMIT 26")


def test_a_search_among_ten_thousand_keys_reads_a_bounded_number_of_them(alice, alice_client):
    many(alice, 10_000)

    asked = [sql for sql in queries_of(alice_client, f"{KEYS}?q=number+1") if '"apikeys_apikeyrecord"' in sql]

    assert 2 <= len(asked) <= 10
    assert [sql for sql in asked if "LIMIT" not in sql] == []


def test_the_dashboard_counts_keys_but_reads_only_the_newest(alice, alice_client):
    many(alice, 1_234)

    asked = [sql for sql in queries_of(alice_client, "/") if "apikeys_apikeyrecord" in sql]

    assert page(alice_client.get("/")).find_all("strong")[0].text == "1,000+"
    # The newest, how many there are, and what asks for attention.
    parts = [("LIMIT 1001) subquery" in sql, "LIMIT 4" in sql, "LIMIT 101) subquery" in sql) for sql in asked]
    assert sorted(parts) == [(False, False, True), (False, True, False), (True, False, False)]


# Language and theme


def test_the_language_is_chosen_by_the_browser_until_alice_chooses(alice_client):
    german, taiwanese = (alice_client.get(KEYS, headers={"Accept-Language": code}) for code in ("de", "zh-TW,zh;q=0.9"))
    chosen = alice_client.post("/language/", {"language": "zh-hant", "next": f"{KEYS}?q=x"})
    afterwards = alice_client.get(KEYS, headers={"Accept-Language": "de"})

    assert page(german).find("html")["lang"] == "en"
    assert page(taiwanese).find("html")["lang"] == "zh-Hant"
    assert (chosen.status_code, chosen["Location"]) == (302, f"{KEYS}?q=x")
    assert page(afterwards).find("html")["lang"] == "zh-Hant"
    assert chosen.cookies["language"]["max-age"] == 365 * 24 * 60 * 60


def test_dates_follow_the_language(alice_client, alices_key):
    ApiKeyRecord.objects.update(created_at=datetime(2026, 3, 4, tzinfo=UTC))

    shown = [
        page(alice_client.get(KEYS, headers={"Accept-Language": code})).find("tbody").find("time").find("span").text
        for code in ("en", "zh-Hant", "en")
    ]

    assert shown[0] == shown[2] == "4 Mar 2026, 00:00 UTC"
    assert re.match(r"2026\s?年\s?3\s?月\s?4\s?日", shown[1])


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_theme_is_remembered(alice_client, theme):
    response = alice_client.post("/theme/", {"theme": theme, "next": KEYS})

    assert (response.status_code, response["Location"]) == (302, KEYS)
    assert page(alice_client.get(KEYS)).find("html")["data-theme"] == theme
    alice_client.post("/theme/", {"theme": "system", "next": KEYS})
    assert "data-theme" not in page(alice_client.get(KEYS)).find("html")


@pytest.mark.parametrize(
    ("method", "address", "status"),
    [("get", "/nothing/here/", 404), ("get", "/theme/", 405), ("delete", "/", 405)],
)
def test_an_error_page_has_the_bar_the_theme_and_the_languages_of_every_page(alice_client, method, address, status):
    alice_client.post("/theme/", {"theme": "dark"})

    response = getattr(alice_client, method)(address)

    assert response.status_code == status
    tree = page(response)
    assert tree.find("html")["data-theme"] == "dark"
    bar = tree.find("header")
    assert {link["href"] for link in bar.find_all("a")} >= {"/", KEYS}
    assert [button["value"] for button in bar.find_all("button", name="language")] == ["en", "zh-hant"]


def accounts_on(response) -> list[str]:
    assert response.status_code == 404
    return [menu.text for menu in page(response).find("header").find_all(id="m-user")]


def test_a_page_that_is_not_there_has_the_menu_of_whoever_is_logged_in(alice_client, client, django_assert_num_queries):
    def fails(*_call):
        raise OperationalError("away")

    with django_assert_num_queries(0):
        strangers = client.get("/nothing/here/")
    alices = alice_client.get("/nothing/here/")
    with connection.execute_wrapper(fails):
        without_database = alice_client.get("/nothing/here/")

    assert ["Alice Liddell" in menu for menu in accounts_on(alices)] == [True]
    assert accounts_on(strangers) == accounts_on(without_database) == []


@pytest.mark.parametrize("theme", ["", "pink", '"><script>', "dark; Path=/x"])
def test_a_theme_that_does_not_exist_changes_nothing(alice_client, theme):
    response = alice_client.post("/theme/", {"theme": theme, "next": KEYS})

    assert (response.status_code, response["Location"]) == (302, KEYS)
    assert "data-theme" not in page(alice_client.get(KEYS)).find("html")
    alice_client.cookies["theme"] = theme
    assert "data-theme" not in page(alice_client.get(KEYS)).find("html")


@pytest.mark.parametrize("address", ["/theme/", "/language/"])
@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_choosing_language_or_theme_leads_nowhere_else(alice_client, address, target):
    response = alice_client.post(address, {"theme": "dark", "language": "en", "next": target})

    assert response.status_code == 302
    assert "evil" not in response["Location"]
    assert response["Location"].startswith("/")


NO_ADDRESSES = ["", "a", "dashboard", "api_key_list", "a b", "?", "#", "\0", "é", "x" * 3000]


@pytest.mark.parametrize("address", ["/theme/", "/language/"])
@pytest.mark.parametrize("target", NO_ADDRESSES)
def test_choosing_language_or_theme_on_no_page_leads_to_the_dashboard_or_nowhere_worse(alice_client, address, target):
    response = alice_client.post(address, {"theme": "dark", "language": "en", "next": target})

    assert response.status_code == 302
    assert address == "/language/" or response["Location"] == "/"


# For operators


def test_health_and_readiness_need_no_log_in(client, db):
    alive, ready = client.get("/healthz"), client.get("/readyz")

    assert (alive.status_code, alive.content) == (200, b"ok\n")
    assert (ready.status_code, ready.content) == (200, b"ready\n")


def test_the_name_of_a_setting_may_go_on_in_the_next_line():
    assert breakable("a <b> WITH_TWO_PARTS & more") == "a &lt;b&gt; WITH_<wbr>TWO_<wbr>PARTS &amp; more"
    assert breakable("none") == "none"
