"""All users' keys: offered to administrators alone, with whose each key is, and with what may be done to it."""

from urllib.parse import parse_qs, urlsplit

import pytest

from apikeys.backends import finding
from apikeys.domain import ApiKeyDraft, ServiceIdDraft
from apikeys.exceptions import NotAuthorized
from apikeys.models import ApiKeyRecord
from apikeys.services import keys, service_ids
from tests.addresses import CREATE, KEYS, delete_address, details_address, edit_address, service_id_address
from tests.conftest import caller_for, make_person
from tests.list_menu import buttons, links, menu_of
from tests.markup import Element, fields, page
from tests.test_pages import HTMX, key_ids, many, names, page_roots, pager, queries_of, walk

ALL = f"{KEYS}?view=all"


@pytest.fixture
def robot(alice):
    """A service ID of Alice's, and its key `nightly`."""
    service, issued = service_ids.create_service_id(
        caller_for(alice), ServiceIdDraft("backup robot"), key=ApiKeyDraft("nightly")
    )
    return service, issued.key


def offered(tree: Element, key) -> list[str]:
    return [action.words for action in menu_of(tree, key.id)]


def owners(tree: Element) -> dict[str, str]:
    """Return what the column says of each key's owner, by the key's name."""
    return {row.find("th").text: row.find("td", data_label="Owner").text for row in tree.find("tbody").find_all("tr")}


def facts(dialog: Element) -> dict[str, str]:
    terms, facts = dialog.find_all("dt"), dialog.find_all("dd")
    return {term.text: fact.text for term, fact in zip(terms, facts, strict=True)}


# Who is offered what


def test_dora_sees_everybodys_keys_with_their_owners(alice, bob, dora, dora_client, create_key, robot):
    for person, name in ((alice, "alice's"), (bob, "bob's"), (dora, "dora's")):
        create_key(person, name)

    tree = page(dora_client.get(ALL))

    assert owners(tree) == {
        "dora's": "dora",
        "bob's": "o'neill<b>&\"",
        "alice's": "Alice Liddell alice",
        "nightly": "backup robot Service ID",
    }
    headers = [header.text for header in tree.find("thead").find_all("th")]
    assert headers == ["Choose", "Name", "Key", "Description", "Owner", "Status", "Created", "Last used", "Actions"]


def test_without_asking_dora_sees_her_own_keys_and_no_owners(dora, dora_client, alices_key, create_key):
    create_key(dora, "dora's")

    tree = page(dora_client.get(KEYS))

    assert names(tree) == ["dora's"]
    assert "Owner" not in tree.find("table").text


def test_the_choice_is_a_part_of_the_form_of_the_search(dora_client, alices_key):
    shown = page(dora_client.get(KEYS))
    form = shown.find("form", role="search")
    choice = form.find("select", name="view")

    chosen = page(dora_client.post(form["action"], fields(form, shown) | {"view": "all"}, follow=True))
    back = page(dora_client.post(form["action"], fields(form, shown), follow=True))

    assert form.find("label", for_="view").text == "View"
    assert [(option.text, option["value"]) for option in choice.find_all("option")] == [
        ("My keys", ""),
        ("All users' keys", "all"),
    ]
    assert names(chosen) == ["terraform"]
    assert fields(chosen.find("form", role="search"))["view"] == "all"
    assert fields(back.find("form", role="search"))["view"] == ""
    assert choice["hx-get"] == form["action"]


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_alice_is_offered_nothing_and_view_all_is_her_own_list(alice_client, bob, alices_key, create_key, headers):
    create_key(bob, "bob's")

    own, asked = (alice_client.get(address, headers=headers) for address in (KEYS, ALL))

    assert names(page(asked)) == ["terraform"]
    assert page(asked).find_all("select", name="view") == []
    assert "view=" not in asked.content.decode().partition('id="keys"')[2]
    assert page(own).find("table").raw == page(asked).find("table").raw


@pytest.mark.parametrize("nonsense", ["", "ALL", "all ", "mine", "%00", "%FF", "all&view=mine", "all%2C"])
def test_a_view_of_nonsense_is_the_own_list(dora, dora_client, alices_key, create_key, nonsense):
    create_key(dora, "dora's")

    response = dora_client.get(f"{KEYS}?view={nonsense}")

    assert (response.status_code, names(page(response))) == (200, ["dora's"])


def test_keys_of_another_account_are_nobodys_business(dora_client, alices_key):
    ApiKeyRecord.objects.update(account_id="0" * 32)

    assert page(dora_client.get(ALL)).find(class_="empty").find("h2").text == "Nobody has an API key yet"


# Nothing to show


def test_dora_without_keys_can_still_choose_to_see_all(dora_client, alices_key):
    tree = page(dora_client.get(KEYS))

    assert tree.find(class_="empty").find("h2").text == "You have no API keys yet"
    assert tree.find("select", name="view")
    assert [link["href"] for link in tree.find("main").find_all("a") if link.text == "Create API key"] == [CREATE]


def test_a_search_without_a_match_leads_back_to_all_keys(dora_client, alices_key):
    tree = page(dora_client.get(f"{ALL}&q=nothing+like+it&sort=name"))

    empty = tree.find(class_="empty")
    assert empty.find("h2").text == "No key matches your search"
    assert (empty.find("a").text, empty.find("a")["href"]) == ("Clear search", f"{ALL}&sort=name")
    assert fields(tree.find("form", role="search"))["view"] == "all"


# The view is kept


def test_the_view_is_kept_through_search_order_size_and_page(alice, bob, dora_client):
    many(alice, 30)
    many(bob, 30)

    first = page(dora_client.get(ALL))
    searched = fields(first.find("form", role="search"), first) | {"q": "number 1"}
    found = page(dora_client.post(KEYS, searched, follow=True))
    by_name = page(dora_client.get(found.find("a", id="sort-name")["href"]))
    small = page(dora_client.get(KEYS, fields(by_name.find(class_="pager").find("form")) | {"per_page": "10"}))
    second = page(dora_client.get(pager(small, "next")))
    back = page(dora_client.get(pager(second, "prev")))

    # number 1 and 10 to 19, of two people
    assert names(found)[:4] == ["key 00019", "key 00019", "key 00018", "key 00018"]
    assert names(by_name)[:4] == ["key 00001", "key 00001", "key 00010", "key 00010"]
    assert (names(small), names(second)) == (names(by_name)[:10], names(by_name)[10:20])
    assert names(back) == names(small)
    assert {len(owners) for tree in (found, by_name, small, second) if (owners := set(owner_cells(tree)))} == {2}


def owner_cells(tree: Element) -> list[str]:
    return [cell.text for cell in tree.find_all("td", data_label="Owner")]


@pytest.mark.parametrize("sort", ["name", "-created"])
def test_the_pager_shows_every_key_of_everybody_once(alice, bob, dora_client, sort):
    many(alice, 25, name=lambda index: f"key {index % 10}")
    many(bob, 10, name=lambda index: f"key {index % 10}")

    pages = walk(dora_client, f"{ALL}&sort={sort}&per_page=10")

    assert [len(names(tree)) for tree in pages] == [10, 10, 10, 5]
    assert len({row for tree in pages for row in key_ids(tree)}) == 35


def test_dialogs_and_actions_lead_back_to_all_keys(alice, dora_client):
    many(alice, 12)
    second = pager(page(dora_client.get(f"{ALL}&per_page=10")), "next")
    tree = page(dora_client.get(second))
    menu = menu_of(tree)
    state = {"view", "per_page", "at"}

    assert set(parse_qs(urlsplit(second).query)) == state
    for way in (*(address for _words, address in links(menu)), tree.find(class_="toolbar").find("a")["href"]):
        dialog = page(dora_client.get(way)).find("dialog")
        ways_on = [a["href"] for a in dialog.find_all("a") if a.text != "To the user"]
        ends = ways_on + [form["action"] for form in dialog.find_all("form")]
        assert [set(parse_qs(urlsplit(end).query)) for end in ends] == [state] * len(ends)
    for _words, address in reversed(buttons(menu)):  # a locked key could not be disabled
        answer = dora_client.post(address)
        assert (answer.status_code, answer["Location"]) == (303, second)


def test_htmx_gets_the_table_alone_and_the_page_holds_the_very_same_table(dora_client, alices_key):
    whole = dora_client.get(ALL).content.decode()
    fragment = dora_client.get(ALL, headers=HTMX).content.decode()

    assert [element["id"] for element in page_roots(fragment)] == ["keys"]
    assert "".join(fragment.split()) in "".join(whole.split())


# What may be done to whose key


def test_of_alices_key_dora_is_offered_all_but_to_edit(dora, dora_client, alices_key, create_key, robot):
    own = create_key(dora, "dora's").key

    tree = page(dora_client.get(ALL))

    assert offered(tree, alices_key.key) == ["Details", "Lock API key", "Disable API key", "Delete key"]
    for key in (own, robot[1]):
        assert "Edit API key" in offered(tree, key)


def test_dora_locks_disables_and_deletes_alices_key(alice_client, dora_client, alices_key):
    key = alices_key.key
    for action in ("lock", "unlock", "disable", "enable", "disable"):
        dora_client.post(f"{details_address(key.id)}{action}/?view=all")
    status = page(alice_client.get(KEYS)).find("td", class_="c-status").text

    form = page(dora_client.get(f"{delete_address(key.id)}?view=all")).find("form", id="delete-form")
    answer = dora_client.post(form["action"], fields(form))

    assert status == "Disabled"
    assert (answer.status_code, answer["Location"]) == (303, ALL)
    assert not ApiKeyRecord.objects.exists()


def test_dora_edits_the_key_of_a_service_id(dora_client, robot):
    address = f"{edit_address(robot[1].id)}?view=all"
    form = page(dora_client.get(address)).find("form", id="edit-form")

    answer = dora_client.post(form["action"], fields(form) | {"name": "weekly"})

    assert (answer.status_code, answer["Location"]) == (303, ALL)
    assert names(page(dora_client.get(ALL))) == ["weekly"]


@pytest.mark.parametrize("headers", [{}, HTMX])
@pytest.mark.parametrize("method", ["get", "post"])
def test_dora_is_refused_the_form_to_edit_alices_key_and_one_of_her_own_making(
    alice, dora_client, alices_key, method, headers
):
    key = alices_key.key
    crafted = {"name": "dora's now", "description": "", "entity_tag": key.entity_tag}

    refused = getattr(dora_client, method)(edit_address(key.id), crafted, headers=headers)

    assert refused.status_code == 403
    assert "You are not authorized to do this." in page(refused).text
    assert page(refused).find_all("form", id="edit-form") == []
    assert keys.get_api_key(caller_for(alice), key.id) == key


# Whose key it is, in dialogs


def test_before_dora_deletes_alices_key_she_is_told_whose_it_is(dora, dora_client, alices_key, create_key):
    own = create_key(dora, "dora's").key

    foreign = page(dora_client.get(delete_address(alices_key.key.id))).find("dialog")

    assert facts(foreign)["Owner"] == "Alice Liddell alice"
    assert "Owner" not in facts(page(dora_client.get(delete_address(own.id))).find("dialog"))


def test_details_tell_everybody_whose_the_key_is_and_who_made_it(alice, alice_client, dora_client, alices_key, robot):
    service, key = robot

    for client, way in ((alice_client, ""), (dora_client, " To the user")):
        own = facts(page(client.get(details_address(alices_key.key.id))).find("dialog"))
        services = facts(page(client.get(details_address(key.id))).find("dialog"))

        assert own["Owner"] == f"Alice Liddell alice {alice.iam_id}{way}"
        assert own["Created by"] == "Alice Liddell alice"
        assert services["Owner"] == f"backup robot Service ID {service.iam_id} To the service ID"
        assert services["Created by"] == "Alice Liddell alice"


def test_from_one_key_and_from_the_keys_of_an_owner_dora_comes_to_the_owner(alice, dora_client, alices_key, robot):
    service, key = robot
    persons, services = f"/manage/users/{alice.iam_id}/", service_id_address(service.id)

    for address, words, target in (
        (f"{ALL}&owner={alice.iam_id}", "To the user", persons),
        (details_address(alices_key.key.id), "To the user", persons),
        (f"{ALL}&owner={service.iam_id}", "To the service ID", services),
        (details_address(key.id), "To the service ID", services),
    ):
        [way] = [link["href"] for link in page(dora_client.get(address)).find_all("a") if link.text == words]
        assert way == target
        assert dora_client.get(way).status_code == 200
    assert "To the user" not in page(dora_client.get(ALL)).text


def test_somebody_whom_the_console_does_not_know_is_an_iam_id(dora_client, alices_key):
    ApiKeyRecord.objects.update(iam_id="IBMid-1111111111", created_by="IBMid-2222222222")

    told = facts(page(dora_client.get(details_address(alices_key.key.id))).find("dialog"))

    assert owners(page(dora_client.get(ALL))) == {"terraform": "IBMid-1111111111"}
    assert (told["Owner"], told["Created by"]) == ("IBMid-1111111111", "IBMid-2222222222")


def test_bob_is_told_nothing_of_alices_key(bob_client, alices_key):
    answer = bob_client.get(f"{details_address(alices_key.key.id)}?view=all")

    assert answer.status_code == 404
    assert "Liddell" not in answer.content.decode()


# The keys of one owner


@pytest.fixture
def everybodys(alice, bob, dora, create_key, robot) -> None:
    for person in (alice, bob, dora):
        for name in ("on", "off"):
            create_key(person, name)
    ApiKeyRecord.objects.filter(name="off").update(disabled=True)


def asked_for(client, typed: str, **more: str):
    """Return what the form of the filters leads to, with this typed as the owner."""
    form = page(client.get(ALL)).find("form", id="m-filters")
    return client.get(form["action"], fields(form) | {"whose": typed} | more, follow=True)


@pytest.mark.parametrize("typed", ["alice", "ALICE@example.com", "Alice Liddell", "liddell", " {iam_id} "])
def test_dora_types_any_name_of_alice_and_sees_alices_keys(alice, dora_client, everybodys, typed):
    answer = asked_for(dora_client, typed.format(iam_id=alice.iam_id))

    tree = page(answer)
    assert answer.redirect_chain[-1] == (f"{ALL}&owner={alice.iam_id}", 303)
    assert owners(tree) == {"on": "Alice Liddell alice", "off": "Alice Liddell alice"}
    chip = tree.find("ul", class_="chips").find("a", class_="chip")
    assert (chip.text, chip["href"]) == ("Clear filter Owner: Alice Liddell (alice)", ALL)
    assert fields(tree.find("form", id="m-filters"))["whose"] == "alice"
    assert tree.find(id="keys")["data-announcement"] == "2 keys found"


def test_every_other_filter_and_the_search_hold_for_one_owners_keys(alice, dora_client, everybodys):
    tree = page(asked_for(dora_client, "alice", status="disabled"))
    found = page(dora_client.post(KEYS, fields(tree.find("form", role="search"), tree) | {"q": "o"}, follow=True))
    again = page(dora_client.get(KEYS, fields(found.find("form", id="m-filters")), follow=True))
    cleared = page(dora_client.get(found.find("ul", class_="chips").find_all("a")[-1]["href"]))

    for shown in (tree, found, again):
        assert owners(shown) == {"off": "Alice Liddell alice"}
        assert len(shown.find("ul", class_="chips").find_all("a", class_="chip")) == 2
    assert sorted(names(cleared)) == ["off", "off", "off", "on", "on", "on"]


def test_a_service_id_is_found_by_its_name_and_its_ids(dora_client, everybodys, robot):
    service, _key = robot

    for typed in ("Backup Robot", service.id, service.iam_id):
        assert owners(page(asked_for(dora_client, typed))) == {"nightly": "backup robot Service ID"}


def test_of_several_owners_dora_chooses_one_and_of_nobody_she_is_told(alice, dora_client, everybodys):
    make_person("alicia")

    several, nobody = (page(asked_for(dora_client, typed)) for typed in ("ali", "<zoe>"))

    assert several.find(class_="empty").find("h2").text == "Whose keys do you mean?"
    choices = {link.text: link["href"] for link in several.find("ul", class_="choices").find_all("a")}
    assert set(choices) == {"Alice Liddell (alice)", "alicia"}
    assert set(owners(page(dora_client.get(choices["Alice Liddell (alice)"])))) == {"on", "off"}
    assert nobody.find(class_="empty").find("h2").text == "Nobody is called like this"
    assert nobody.find(id="keys")["data-announcement"] == "Nobody is called like this"
    assert fields(nobody.find("form", id="m-filters"))["whose"] == "<zoe>"


def test_who_may_not_see_all_keys_is_offered_no_owner_and_finds_nobody(alice, bob, bob_client, create_key, alices_key):
    create_key(bob, "bob's")

    tree = page(bob_client.get(f"{ALL}&owner={alice.iam_id}&whose=alice"))

    assert names(tree) == ["bob's"]
    assert tree.find_all("input", name="whose") == []
    with pytest.raises(NotAuthorized):
        keys.find_owners(caller_for(bob), "alice")


@pytest.mark.parametrize("owner", ["", "%00", "a" * 65, "alice%20", "IBMid-0000000000"])
def test_an_owner_of_nonsense_is_none_or_nobody(dora_client, alices_key, owner):
    answer = dora_client.get(f"{ALL}&owner={owner}")

    assert answer.status_code == 200
    assert names(page(answer)) == ([] if owner.startswith("IBMid-") else ["terraform"])


def test_no_page_repeats_a_value_that_was_typed_as_the_owner(dora_client, alices_key):
    answer = asked_for(dora_client, alices_key.value)

    assert alices_key.value not in answer.content.decode()
    assert answer.redirect_chain[-1][0].startswith(KEYS)
    assert "whose=apk_" in answer.redirect_chain[-1][0]


# Many keys


def test_owners_cost_two_questions_a_page_however_many_they_are(alice, dora, dora_client, robot):
    many(alice, 2_000)
    for number in range(30):
        many(make_person(f"person{number}"), 1)
    many(dora, 1)

    for query in ("", "&sort=name", "&q=number+1", "&per_page=100"):
        own = queries_of(dora_client, f"{KEYS}?{query}")
        everybodys = queries_of(dora_client, ALL + query)
        deep = queries_of(dora_client, pager(page(dora_client.get(ALL + query)), "next"))

        # One for how many there are, on a later page one for how many are before it; one for the persons; one for the
        # service IDs, where a page has any.
        # A search of a long list asks for less than one of a short list, or for one more, as its database's index asks.
        near = 1 if "q=" in query else 0
        assert 2 - near <= len(everybodys) - len(own) <= 3
        assert 3 <= len(deep) - len(own) <= 4 + near
        asked = [sql for sql in everybodys if 'FROM "apikeys_apikeyrecord"' in sql]
        assert len(asked) <= 2 + 2 * near
        assert [sql for sql in asked if "LIMIT" not in sql] == []
        assert {sql.partition("OFFSET ")[2] for sql in asked} <= {"", str(finding.NEAR)}
