"""The pages of service IDs: who sees which, what is done to one, and keys for it with the same form and hand-over."""

import pytest

from apikeys.domain import ApiKeyDraft, Origin, ServiceIdChanges, ServiceIdDraft
from apikeys.exceptions import ValueNotFound
from apikeys.identity import tokens, users
from apikeys.models import ApiKeyRecord, AuditEvent, BulkRun, ServiceIdRecord
from apikeys.services import creation, keys, service_ids
from tests.addresses import CREATE, KEYS, RECEIPT, REVIEW, RULES, SERVICE_IDS, USERS, service_id_address
from tests.conftest import caller_for, make_person
from tests.markup import Element, described_by, fields, page

NEW = f"{SERVICE_IDS}create/"


@pytest.fixture
def robot(alice):
    """Alice's service ID."""
    return service_ids.create_service_id(caller_for(alice), ServiceIdDraft("backup robot", "Copies at night"))[0]


@pytest.fixture
def value(alice, robot) -> str:
    """The value of a key of its own."""
    return creation.create_api_key(caller_for(alice), ApiKeyDraft("nightly", iam_id=robot.iam_id)).value


def works(value: str) -> bool:
    try:
        return bool(tokens.authenticate(value, Origin()))
    except ValueNotFound:
        return False


def rows(tree: Element) -> dict[str, str]:
    return {row.find("th").text: row.text for row in tree.find("tbody").find_all("tr")}


def heading(tree: Element) -> str:
    return tree.find("main").find("h1").text


def notes(tree: Element) -> str:
    return tree.find(id="toasts").text


def offered(tree: Element, robot) -> set[str]:
    """Return what can be done to a service ID: the last parts of addresses below its own."""
    own = service_id_address(robot.id)
    buttons = [button["formaction"] for button in tree.find_all("button") if "formaction" in button]
    links = [link["href"] for link in tree.find("main").find_all("a") if "href" in link]
    return {address.removeprefix(own).rstrip("/") for address in buttons + links if address.startswith(own)} - {""}


def act(client, robot, what: str) -> Element:
    return page(client.post(service_id_address(robot.id, f"{what}/"), follow=True))


# Where a page is


def test_each_page_below_manage_says_what_it_is_below(dora_client, alice, robot):
    person, own = f"{USERS}{alice.iam_id}/", service_id_address(robot.id)
    addresses = {
        REVIEW: "Security", f"{REVIEW}rules/": "Security > Review",
        SERVICE_IDS: "Security", NEW: "Security > Service IDs",
        own: "Security > Service IDs", f"{own}edit/": "Security > Service IDs > backup robot",
        f"{own}delete/": "Security > Service IDs > backup robot", USERS: "Access", f"{USERS}create/": "Access > Users",
        person: "Access > Users", f"{person}delete/": "Access > Users", RULES: "Access", "/manage/scopes/": "Access",
    }  # fmt: skip

    ways = {address: page(dora_client.get(address)).find("nav", aria_label="Breadcrumb") for address in addresses}

    told = {address: " > ".join(item.text for item in way.find_all("li")) for address, way in ways.items()}
    assert told == {address: f"Dashboard > Manage > {way}" for address, way in addresses.items()}
    links = [link["href"] for link in ways[f"{own}edit/"].find_all("a")]
    assert links == ["/", SERVICE_IDS, own]


# The list


def test_the_list_has_what_the_reader_manages_with_the_number_of_keys(alice_client, bob_client, robot, value):
    assert rows(page(alice_client.get(SERVICE_IDS))).keys() == {"backup robot"}
    assert "1 API key" in rows(page(alice_client.get(SERVICE_IDS)))["backup robot"]

    tree = page(bob_client.get(SERVICE_IDS))

    assert tree.find("main").find("h2").text == "There are no service IDs yet"
    assert not tree.find_all("tbody")


def test_administrators_see_all_of_them_with_who_manages_each(dora_client, alice, dora, robot):
    service_ids.create_service_id(caller_for(dora), ServiceIdDraft("android"))

    found = rows(page(dora_client.get(SERVICE_IDS)))

    assert list(found) == ["android", "backup robot"]
    assert "Alice Liddell alice" in found["backup robot"]


def test_an_administrator_sees_what_one_person_manages_and_comes_from_there_to_the_person(
    dora_client, alice, dora, robot
):
    service_ids.create_service_id(caller_for(dora), ServiceIdDraft("android"))
    person = page(dora_client.get(f"/manage/users/{alice.iam_id}/"))
    [address] = [link["href"] for link in person.find_all("a") if link.text == "1 service ID"]

    tree = page(dora_client.get(address))

    assert list(rows(tree)) == ["backup robot"]
    [chip] = [link for link in tree.find_all("a") if link.attributes.get("class") == "chip"]
    assert chip.text == "Clear filter Manager: Alice Liddell (alice)"
    assert list(rows(page(dora_client.get(chip["href"])))) == ["android", "backup robot"]
    found = dora_client.post(SERVICE_IDS, fields(tree.find("form", role="search")) | {"q": "droid"})
    nothing = page(dora_client.get(found["Location"]))
    assert nothing.find("main").find("h2").text == "No service ID matches your search"
    [cleared] = [link["href"] for link in nothing.find_all("a") if link.text == "Clear search"]
    assert cleared == address
    own = page(dora_client.get(service_id_address(robot.id)))
    assert [link["href"] for link in own.find_all("a") if link.text == "To the user"] == [
        f"/manage/users/{alice.iam_id}/"
    ]


def test_nobody_else_learns_who_somebody_is_from_the_list(bob_client, alice, robot):
    tree = page(bob_client.get(SERVICE_IDS, {"manager": alice.iam_id}))

    assert "Alice" not in tree.text
    assert tree.find("main").find("h2").text == "There are no service IDs yet"


def test_the_list_tells_states(alice, dora, dora_client, robot):
    inga = make_person("inga")
    for name in ("disabled", "locked", "of nobody"):
        made = service_ids.create_service_id(caller_for(inga if "nobody" in name else dora), ServiceIdDraft(name))[0]
        if name == "disabled":
            service_ids.disable_service_id(caller_for(dora), made.id, disabled=True)
        if name == "locked":
            service_ids.lock_service_id(caller_for(dora), made.id, locked=True)
    inga.is_active = False
    inga.save()

    found = rows(page(dora_client.get(SERVICE_IDS)))

    told = {"disabled": "Disabled", "locked": "Locked", "of nobody": "Nobody manages it", "backup robot": "Active"}
    assert all(word in found[name] for name, word in told.items())


def test_a_search_finds_a_part_of_a_name_and_no_value_gets_into_its_address(alice, alice_client, robot, value):
    service_ids.create_service_id(caller_for(alice), ServiceIdDraft("android"))

    answer = alice_client.post(SERVICE_IDS, {"q": "ROBOT"})
    assert answer["Location"] == f"{SERVICE_IDS}?q=ROBOT"
    assert list(rows(page(alice_client.get(answer["Location"])))) == ["backup robot"]

    nothing = page(alice_client.get(f"{SERVICE_IDS}?q=nothing"))
    assert nothing.find("main").find("h2").text == "No service ID matches your search"
    for answer in (alice_client.post(SERVICE_IDS, {"q": value}), alice_client.get(SERVICE_IDS, {"q": value})):
        assert answer.status_code == 303
        assert value not in answer["Location"]


def test_a_long_list_has_pages(alice, alice_client):
    for number in range(26):
        service_ids.create_service_id(caller_for(alice), ServiceIdDraft(f"robot {number:02}"))

    first = page(alice_client.get(SERVICE_IDS))
    [following] = [link["href"] for link in first.find_all("a", rel="next")]
    second = page(alice_client.get(SERVICE_IDS + following))

    assert list(rows(first)) == [f"robot {number:02}" for number in range(25)]
    assert list(rows(second)) == ["robot 25"]
    [back] = [link["href"] for link in second.find_all("a", rel="prev")]
    assert rows(page(alice_client.get(SERVICE_IDS + back))) == rows(first)


# One of them


def test_a_service_id_is_created_once_however_often_its_form_is_sent(alice, alice_client):
    form = fields(page(alice_client.get(NEW)).find("main").find("form"))
    sent = form | {"name": "build server", "description": "Builds"}

    answers = [alice_client.post(NEW, sent) for _time in range(2)]

    [record] = ServiceIdRecord.objects.all()
    assert (record.name, record.description, record.managed_by) == ("build server", "Builds", alice.iam_id)
    assert [answer["Location"] for answer in answers] == [service_id_address(record.id)] * 2
    tree = page(alice_client.get(service_id_address(record.id)))
    assert heading(tree) == "build server"
    assert "It has no API key yet." in tree.text


def test_a_form_without_a_name_says_so_and_makes_nothing(alice_client):
    form = fields(page(alice_client.get(NEW)).find("main").find("form"))

    answer = alice_client.post(NEW, form | {"name": " "})

    assert answer.status_code == 422
    assert "Enter a name." in page(answer).text
    assert not ServiceIdRecord.objects.exists()


def test_a_stale_edit_shows_both_versions_and_is_saved_when_sent_again(alice, alice_client, robot):
    address = service_id_address(robot.id, "edit/")
    form = fields(page(alice_client.get(address)).find("main").find("form"))
    service_ids.update_service_id(
        caller_for(alice), robot.id, ServiceIdChanges(name="of another tab"), entity_tag=robot.entity_tag
    )

    answer = alice_client.post(address, form | {"name": "night robot"})
    tree = page(answer)
    assert answer.status_code == 409
    assert "of another tab" in [found.text for found in tree.find_all("dd")]

    alice_client.post(address, fields(tree.find("main").find("form")))
    assert ServiceIdRecord.objects.get().name == "night robot"


def test_disabling_refuses_its_keys_until_it_is_enabled(alice_client, robot, value):
    tree = act(alice_client, robot, "disable")
    assert "backup robot is disabled" in notes(tree)
    assert not works(value)
    assert "enable" in offered(tree, robot)

    act(alice_client, robot, "enable")
    assert works(value)


def test_one_that_is_locked_can_only_be_unlocked(alice_client, robot):
    tree = act(alice_client, robot, "lock")
    assert offered(tree, robot) == {"unlock"}
    answer = alice_client.post(service_id_address(robot.id, "disable/"))
    assert answer.status_code == 409
    assert heading(page(answer)) == "The service ID was not disabled"

    assert offered(act(alice_client, robot, "unlock"), robot) == {"edit", "lock", "disable", "delete"}


def test_the_dashboard_calls_what_was_done_to_it_by_its_name(alice_client, robot):
    for what in ("lock", "disable", "unlock", "delete"):
        act(alice_client, robot, what)

    done = [row.find("th").text for row in page(alice_client.get("/")).find("tbody").find_all("tr")]

    assert done == [f"Service ID {what}" for what in ("deleted", "changed", "not changed", "changed", "created")]


def test_deleting_asks_first_and_names_its_keys(alice, alice_client, robot, value):
    address = service_id_address(robot.id, "delete/")

    tree = page(alice_client.get(address))
    assert heading(tree) == "Delete service ID?"
    assert "nightly" in tree.find("main").text
    assert works(value)
    [key] = ApiKeyRecord.objects.all()
    keys.lock_api_key(caller_for(alice), key.id, locked=True)
    refused = alice_client.post(address)
    assert refused.status_code == 409
    assert "An API key of this service ID is locked." in page(refused).text
    keys.lock_api_key(caller_for(alice), key.id, locked=False)

    assert "backup robot was deleted" in notes(page(alice_client.post(address, follow=True)))
    assert not ServiceIdRecord.objects.exists()
    assert not works(value)


def test_somebody_elses_is_like_one_that_never_was(bob_client, robot, value):
    unknown = robot.id[:-12] + "0" * 12

    for service_id in (robot.id, unknown):
        for what in ("", "edit/", "delete/"):
            assert bob_client.get(service_id_address(service_id, what)).status_code == 404
        for what in ("lock/", "disable/", "delete/"):
            assert bob_client.post(service_id_address(service_id, what)).status_code == 404
        for address in (KEYS, CREATE):
            assert bob_client.get(address, {"owner": f"iam-{service_id}"}).status_code == 404
        export = {"owner": f"iam-{service_id}", "format": "csv"}
        assert bob_client.get(f"{KEYS}export/", export).status_code == 400

    assert bob_client.post(f"{CREATE}?owner={robot.iam_id}", {"name": "back door"}).status_code == 404
    assert ApiKeyRecord.objects.count() == 1
    assert works(value)


def test_nobody_but_an_administrator_takes_one_over(alice, dora, alice_client, dora_client, robot, value):
    alice.is_active = False
    alice.save()
    assert not works(value)
    tree = page(dora_client.get(service_id_address(robot.id)))
    assert "take-over" in offered(tree, robot)
    assert "An administrator can take it over." in tree.find("main").text
    [take_over] = [button for button in tree.find_all("button") if button.text == "Take over"]
    assert "manages it in place of its manager" in described_by(tree, take_over)

    tree = act(dora_client, robot, "take-over")

    assert works(value)
    assert "take-over" not in offered(tree, robot)
    [event] = AuditEvent.objects.filter(request_data__managed_by=dora.iam_id)
    assert event.outcome == "success"


def test_a_manager_who_is_no_administrator_is_refused_taking_over(alice_client, alice, robot):
    assert "take-over" not in offered(page(alice_client.get(service_id_address(robot.id))), robot)
    assert alice_client.post(service_id_address(robot.id, "take-over/")).status_code == 403


def test_one_that_was_handed_over_says_whose_it_was(alice, dora, dora_client, robot):
    service_ids.hand_over(caller_for(dora), users.identity_of(alice), dora.iam_id)

    tree = page(dora_client.get(service_id_address(robot.id)))

    assert "It was Alice Liddell’s, who is gone, and was disabled." in tree.find("main").text
    assert [found.text for found in tree.find_all("dt")].count("Handed over from") == 1


# Its keys


def test_a_key_is_created_for_it_with_the_form_and_the_hand_over_of_all_keys(alice, alice_client, robot):
    own = page(alice_client.get(service_id_address(robot.id)))
    [address] = [link["href"] for link in own.find_all("a") if link.attributes.get("href", "").startswith(CREATE)]
    form = page(alice_client.get(address)).find("form", id="create-form")
    assert "The key has the access of the service ID backup robot, not yours." in form.text

    tree = page(alice_client.post(form["action"], fields(form) | {"name": "nightly"}))

    [key] = ApiKeyRecord.objects.all()
    value = tree.find(id="value").raw
    assert (key.iam_id, key.created_by, key.name) == (robot.iam_id, alice.iam_id, "nightly")
    assert tokens.authenticate(value, Origin()).identity.iam_id == robot.iam_id
    receipt = tree.find("form", id="receipt-form")
    assert receipt["action"].startswith(RECEIPT)
    answer = alice_client.post(receipt["action"], fields(receipt))
    assert answer["Location"] == f"{KEYS}?owner={robot.iam_id}"
    assert list(rows(page(alice_client.get(answer["Location"])))) == ["nightly"]


def test_the_list_of_its_keys_has_them_alone_and_every_link_stays_there(alice, alice_client, create_key, robot, value):
    create_key(alice, "her own")

    tree = page(alice_client.get(KEYS, {"owner": robot.iam_id}))

    assert list(rows(tree)) == ["nightly"]
    assert [header.text for header in tree.find("thead").find_all("th")].count("Owner") == 0
    assert [link["href"] for link in tree.find_all("a") if link.text == "To the service ID"] == [
        service_id_address(robot.id)
    ]
    assert "nightly" in b"".join(alice_client.get(f"{KEYS}export/?owner={robot.iam_id}&format=csv")).decode()
    [details] = [row.find("th").find("a")["href"] for row in tree.find("tbody").find_all("tr")]
    assert details.endswith(f"?owner={robot.iam_id}")
    dialog = page(alice_client.get(details)).find("dialog")
    [button] = [found for found in dialog.find_all("button") if found.text == "Disable API key"]
    answer = alice_client.post(button["formaction"])
    assert answer["Location"] == f"{KEYS}?owner={robot.iam_id}"
    assert not works(value)
    assert list(rows(page(alice_client.get(KEYS)))) == ["her own"]


def test_all_that_the_list_of_its_keys_has_are_its_keys(alice, alice_client, bob_client, create_key, robot, value):
    own = create_key(alice, "her own")
    every = f"{KEYS}bulk/?owner={robot.iam_id}"

    refused = bob_client.post(every, {"action": "disable", "all": "1"})
    assert refused["Location"] == f"{KEYS}?owner={robot.iam_id}"
    assert not BulkRun.objects.exists()
    asked = alice_client.post(every, {"action": "disable", "all": "1"})
    alice_client.post(asked["Location"])

    assert not works(value)
    assert works(own.value)
    assert asked["Location"].endswith(f"?owner={robot.iam_id}")


def test_a_list_without_a_key_of_it_says_so(alice_client, robot):
    tree = page(alice_client.get(KEYS, {"owner": robot.iam_id}))

    assert tree.find("main").find("h2").text == "This service ID has no API key yet"
