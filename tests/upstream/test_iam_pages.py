"""What the pages of a console ask its upstream for, and what nobody may ask it for."""

from collections.abc import Callable

import pytest
import requests

from tests.addresses import CREATE, KEYS, delete_address, details_address, edit_address
from tests.cast import PASSWORD
from tests.markup import fields, page
from tests.upstream import HTMX, ConsoleWithUpstream, Visitor


def form_at(person: Visitor, address: str) -> dict[str, str]:
    return fields(page(person.get(address, headers=HTMX)).find_all("form")[0])


def kinds_asked(console: ConsoleWithUpstream, act: Callable[[], requests.Response]) -> list[str]:
    """Return what IAM is asked for by one request that is answered well."""
    console.iam.forget_requests()
    answer = act()
    assert answer.status_code == 200
    return [asked.kind for asked in console.iam.asked]


def test_each_page_asks_iam_as_little_as_it_can(console, anna):
    key = console.iam.add_key(anna.iam_id, "terraform")
    edit, delete = edit_address(key["id"]), delete_address(key["id"])
    edited, deleted = form_at(anna, edit) | {"name": "tofu"}, form_at(anna, delete)

    asked = {
        "list": kinds_asked(console, lambda: anna.get(KEYS)),
        "search": kinds_asked(console, lambda: anna.get(f"{KEYS}?q=terra", headers=HTMX)),
        "details": kinds_asked(console, lambda: anna.get(details_address(key["id"]), headers=HTMX)),
        "edit": kinds_asked(console, lambda: anna.get(edit, headers=HTMX)),
        "save": kinds_asked(console, lambda: anna.post(edit, data=edited, headers=HTMX)),
        "delete": kinds_asked(console, lambda: anna.get(delete, headers=HTMX)),
        "delete it": kinds_asked(console, lambda: anna.post(delete, data=deleted, headers=HTMX)),
    }

    assert asked == {
        "list": ["list"],
        "search": ["list"],
        "details": ["get"],
        "edit": ["get"],
        "save": ["get", "update"],
        "delete": ["get"],
        "delete it": ["get", "delete"],
    }


@pytest.mark.parametrize(("number", "asked"), [(0, ["list"]), (3, ["list"]), (4, ["list", "limits"])])
def test_the_dashboard_asks_for_the_number_of_keys_only_where_it_does_not_see_all_of_them(console, anna, number, asked):
    for index in range(number):
        console.iam.add_key(anna.iam_id, f"key {index}")

    assert kinds_asked(console, lambda: anna.get("/")) == asked


def test_each_page_of_the_menu_is_there_and_says_the_way_to_it(console, anna):
    pages = {link["href"] for link in page(anna.get("/")).find("div", id="m-manage").find_all("a")}
    assert pages == {KEYS, "/manage/security/activity/"}

    ways = [page(anna.get(address)).find("nav", class_="crumbs").text for address in pages]

    assert all("Security" in way for way in ways)


def test_a_search_is_sent_on_submit_and_not_while_anna_types(console, anna):
    console.iam.add_key(anna.iam_id, "terraform")

    triggers = page(anna.get(KEYS)).find("form", id="search")["hx-trigger"]

    assert triggers == "submit"


def test_what_the_store_cannot_filter_or_sort_by_is_not_offered_and_nothing_in_an_address(console, anna):
    console.iam.add_key(anna.iam_id, "terraform")

    tree = page(anna.get(f"{KEYS}?unused_for_days=90&sort=last_used"))

    form = fields(tree.find("form", id="m-filters"))
    assert form == {
        "status": "", "expires_within_days": "", "leaked": "", "created_since": "",
        "sort": "-created", "per_page": "25",
    }  # fmt: skip
    sorts = {option["value"].removeprefix("-") for option in tree.find("form", class_="sort").find_all("option")}
    assert sorts == {"name", "description", "created", "created_by"}
    assert [cell.text for cell in tree.find_all("th", role="rowheader")] == ["terraform"]
    assert tree.find_all("ul", class_="chips") == []


def test_a_store_that_does_not_see_each_use_limits_no_key_to_networks(console, anna):
    key = console.iam.add_key(anna.iam_id, "terraform")
    form = anna.create_form()

    refused = anna.post(CREATE, data=form | {"name": "office", "networks": "127.0.0.0/8"})

    assert "networks" not in form | form_at(anna, edit_address(key["id"]))
    assert "Can be used from" not in page(anna.get(details_address(key["id"]))).raw
    assert refused.status_code == 404
    assert console.iam.count("create") == 0


def test_annas_keys_upstream_are_filtered(console, anna):
    for name, disabled in (("on", False), ("off", True)):
        console.iam.add_key(anna.iam_id, name, disabled=disabled)

    tree = page(anna.get(f"{KEYS}?status=disabled"))

    assert [cell.text for cell in tree.find_all("th", role="rowheader")] == ["off"]


def test_an_administrator_cannot_rewrite_annas_key_with_a_form_of_their_own_making(console, anna):
    ida = Visitor(console, "ida", logs_in=False)
    console.iam.administrators.add(ida.iam_id)
    ida.log_in(ida.username, PASSWORD)
    key = console.iam.add_key(anna.iam_id, "terraform")
    before, token = dict(key), ida.create_form()["csrfmiddlewaretoken"]
    crafted = {"csrfmiddlewaretoken": token, "name": "ida's now", "description": "", "entity_tag": key["entity_tag"]}
    console.iam.forget_requests()

    refused = [ida.post(edit_address(key["id"]), data=crafted, headers=headers) for headers in ({}, HTMX)]

    assert "terraform" in page(ida.get(f"{KEYS}?view=all")).raw
    assert [answer.status_code for answer in refused] == [403, 403]
    assert all("You are not authorized to do this." in page(answer).raw for answer in refused)
    assert console.iam.count("update") == 0
    assert console.iam.keys[key["id"]] == before
