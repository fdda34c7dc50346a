"""Rules that an administrator sets for all keys: the page, the settings over it, and what the forms offer by them."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from apikeys import exceptions
from apikeys.backends.rules import _crowded, networks_over, value_made_at
from apikeys.domain import ApiKeyChanges, ApiKeyDraft, Caller, Creators, Name, Overlap, Rules, ServiceIdDraft
from apikeys.identity.lookups import find_source
from apikeys.models import ApiKeyRecord, AuditEvent, HistoryRecord, RulesRecord
from apikeys.services import creation, deletion, keys, rotation, rules, service_ids
from tests.addresses import CREATE, KEYS, edit_address
from tests.addresses import RULES as PAGE
from tests.conftest import caller_for, program_of
from tests.markup import fields, page

pytestmark = pytest.mark.django_db

TOO_LATE = "An API key must expire within 90 days of its creation or last rotation. Choose another date."


def set_rules(**rules_set: object) -> None:
    RulesRecord.objects.update_or_create(pk=RulesRecord.ONLY, defaults=rules_set)


def days(number: int) -> datetime:
    return timezone.now() + timedelta(days=number)


def described(tree, name: str) -> str:
    """Return what describes a field to those who can't see it beside it."""
    told = tree.find(id=f"id_{name}")["aria-describedby"].split()
    return " ".join(tree.find(id=which).text for which in told)


def choices(tree, name: str = "expires") -> list[str]:
    return [option["value"] for option in tree.find(id=f"id_{name}").find_all("option")]


# What holds


def test_nothing_is_limited_at_first_but_the_number_of_keys():
    assert rules.effective() == Rules(0, False, Creators.EVERYBODY, "", 1000)


def test_a_setting_wins_over_what_an_administrator_has_set(settings):
    set_rules(max_lifetime_days=90, must_expire=True, creators="administrators", networks="192.0.2.0/24")
    settings.APIKEYS_MAX_LIFETIME_DAYS = 0
    settings.APIKEYS_CREATORS = Creators.SOME

    assert rules.effective() == Rules(0, True, Creators.SOME, "192.0.2.0/24", 1000)
    assert networks_over("192.0.2.0/24") == "192.0.2.0/24"


def test_the_networks_of_a_setting_win_over_those_that_a_statement_has_read(settings):
    settings.APIKEYS_NETWORKS = ""

    assert networks_over("192.0.2.0/24") == networks_over(None) == ""


def test_days_are_whole_days_of_utc():
    made_at = datetime(2030, 1, 31, 0, 30, tzinfo=UTC)

    assert Rules(max_lifetime_days=1).latest_end(made_at) == datetime(2030, 2, 1, 23, 59, 59, tzinfo=UTC)
    assert Rules().latest_end(made_at) is None


# The page


def test_dora_sets_rules_and_each_change_is_audited(dora, dora_client):
    sent = fields(page(dora_client.get(PAGE)).find("form", action=PAGE))
    assert sent.items() >= {"max_lifetime_days": "0", "creators": "everybody", "keys_per_identity": "1000"}.items()

    answer = dora_client.post(
        PAGE,
        sent | {"max_lifetime_days": "90", "must_expire": "on", "networks": "10.0.0.0/8 !10.1.0.0/16\n2001:db8::/32"},
    )

    assert (answer.status_code, answer["Location"]) == (303, PAGE)
    within = "10.0.0.0/8 !10.1.0.0/16 2001:db8::/32"
    assert rules.effective() == Rules(90, True, Creators.EVERYBODY, within, 1000)
    event = AuditEvent.objects.get()
    assert (event.action, event.outcome, event.severity) == (
        "iam-identity.account-settings.update", "success", "warning",
    )  # fmt: skip
    assert event.initiator_id == dora.iam_id
    assert event.request_data == {
        "max_lifetime_days": 90, "prev_max_lifetime_days": 0, "must_expire": True, "prev_must_expire": False,
        "networks": within, "prev_networks": "",
    }  # fmt: skip
    assert "Rules changed" in page(dora_client.get("/")).text


def test_what_another_administrator_changed_meanwhile_stays(dora_client):
    sent = fields(page(dora_client.get(PAGE)).find("form", action=PAGE))
    set_rules(must_expire=True, networks="10.0.0.0/8", keys_per_identity=7)

    refused = page(dora_client.post(PAGE, sent | {"max_lifetime_days": "-1"}))
    dora_client.post(PAGE, fields(refused.find("form", action=PAGE)) | {"max_lifetime_days": "90"})

    assert rules.effective() == Rules(90, True, Creators.EVERYBODY, "10.0.0.0/8", 7)


def test_what_stays_the_same_is_no_event(dora_client):
    dora_client.post(PAGE, fields(page(dora_client.get(PAGE)).find("form", action=PAGE)))

    assert not AuditEvent.objects.exists()
    assert not RulesRecord.objects.exists()


@pytest.mark.parametrize(
    ("field", "typed", "sentence"),
    [
        ("max_lifetime_days", "-1", "Ensure this value is greater than or equal to 0."),
        ("max_lifetime_days", "", "This field is required."),
        ("keys_per_identity", "10000001", "Ensure this value is less than or equal to 10000000."),
        ("creators", "nobody", "Select a valid choice. nobody is not one of the available choices."),
        ("networks", "10.0.0.1/8", "10.0.0.1/8 has bits beyond its prefix. The network is 10.0.0.0/8."),
    ],
)
def test_what_is_no_rule_is_said_beside_its_field(dora_client, field, typed, sentence):
    sent = fields(page(dora_client.get(PAGE)).find("form", action=PAGE))

    answer = dora_client.post(PAGE, sent | {field: typed})

    tree = page(answer)
    assert answer.status_code == 422
    assert sentence in described(tree, field)
    assert tree.find(id=f"id_{field}")["aria-invalid"] == "true"
    assert "autofocus" in tree.find(id=f"id_{field}")
    assert not RulesRecord.objects.exists()


def test_a_rule_of_a_setting_is_shown_and_cannot_be_changed_here(dora_client, settings):
    settings.APIKEYS_MAX_LIFETIME_DAYS = 30
    tree = page(dora_client.get(PAGE))
    sent = fields(tree.find("form", action=PAGE))
    assert tree.find(id="id_max_lifetime_days")["value"] == "30"
    assert "disabled" in tree.find(id="id_max_lifetime_days")
    assert "the setting APIKEYS_MAX_LIFETIME_DAYS" in described(tree, "max_lifetime_days")

    dora_client.post(PAGE, sent | {"max_lifetime_days": "90", "must_expire": "on"})

    assert rules.effective() == Rules(30, True)
    settings.APIKEYS_MAX_LIFETIME_DAYS = None
    assert rules.effective() == Rules(0, True)


def test_only_administrators_see_or_set_rules(alice, alice_client):
    answers = [alice_client.get(PAGE), alice_client.post(PAGE, {"max_lifetime_days": "1"})]

    assert [answer.status_code for answer in answers] == [403, 403]
    assert PAGE not in page(alice_client.get("/")).raw
    with pytest.raises(exceptions.NotAuthorized):
        rules.change(caller_for(alice), must_expire=True)
    assert not RulesRecord.objects.exists()
    assert [event.outcome for event in AuditEvent.objects.all()] == ["failure"]


def test_the_page_stands_under_manage_for_administrators(dora_client):
    links = {link["href"] for link in page(dora_client.get("/")).find_all("a")}

    assert PAGE in links


def test_the_page_says_how_many_keys_were_there_before_and_go_on_working(alice, bob, create_key, dora_client):
    for number, end in enumerate([None, days(91), days(89)]):
        create_key(alice, f"key {number}", expires_at=end)
    create_key(bob)
    assert not page(dora_client.get(PAGE)).find_all(class_="msg msg--warning")

    set_rules(max_lifetime_days=90, keys_per_identity=2)

    told = [message.text for message in page(dora_client.get(PAGE)).find_all(class_="msg msg--warning")]
    assert told == [
        "3 API keys never expire, or later than the rules allow a new one. They go on working. "
        "List API keys by expiration",
        "1 person or service ID has more API keys than the rules allow. They go on working.",
    ]
    set_rules(max_lifetime_days=0, must_expire=True, keys_per_identity=0)
    [message] = page(dora_client.get(PAGE)).find_all(class_="msg msg--warning")
    assert message.text.startswith("2 API keys never expire")
    link = message.find("a")["href"]
    assert page(dora_client.get(link)).find_all("th", scope="row")[0].text.startswith(("key 0", "terraform"))


# The forms say it before they are sent


def test_the_create_form_offers_no_expiration_that_a_rule_forbids(alice_client):
    assert choices(page(alice_client.get(CREATE))) == ["", "30", "90", "365", "date"]

    set_rules(max_lifetime_days=90)

    tree = page(alice_client.get(CREATE))
    last = f"{days(90):%-d %b %Y}"
    assert choices(tree) == ["30", "90", "date"]
    assert f"By the rules of this console, it expires by {last}, 23:59 UTC at the latest." in described(tree, "expires")
    set_rules(max_lifetime_days=7)
    assert choices(page(alice_client.get(CREATE))) == ["date"]
    set_rules(max_lifetime_days=0, must_expire=True)
    tree = page(alice_client.get(CREATE))
    assert choices(tree) == ["30", "90", "365", "date"]
    assert described(tree, "expires") == "By the rules of this console, API keys must expire."


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"expires": ""}, "expires"),
        ({"expires": "365"}, "expires"),
        ({"expires": "date", "expires_on": "2099-01-01"}, "expires_on"),
    ],
)
def test_a_form_from_before_the_rule_is_told_so_beside_its_field(alice_client, sent, field):
    form = fields(page(alice_client.get(CREATE)).find("form", id="create-form")) | {"name": "deploy"}
    set_rules(max_lifetime_days=90)

    answer = alice_client.post(CREATE, form | sent)

    tree = page(answer)
    assert answer.status_code == 422
    assert [error.text for error in tree.find_all(class_="error")] == [TOO_LATE]
    assert tree.find(id=f"id_{field}")["aria-invalid"] == "true"
    assert fields(tree.find("form", id="create-form"))["name"] == "deploy"
    assert not ApiKeyRecord.objects.exists()


def test_a_link_that_asks_for_too_late_an_expiration_is_told_so_at_once(alice_client):
    set_rules(max_lifetime_days=90)

    tree = page(alice_client.get(f"{CREATE}?name=deploy&expires=365"))

    assert [error.text for error in tree.find_all(class_="error")] == [TOO_LATE]


def test_the_last_day_that_a_rule_allows_is_one_that_can_be_chosen(alice_client):
    set_rules(max_lifetime_days=90)
    form = fields(page(alice_client.get(CREATE)).find("form", id="create-form")) | {"name": "deploy"}

    late, last = (
        alice_client.post(CREATE, form | {"expires": "date", "expires_on": f"{days(number):%Y-%m-%d}"})
        for number in (91, 90)
    )

    assert (late.status_code, last.status_code) == (422, 200)
    assert f"{ApiKeyRecord.objects.get().expires_at:%Y-%m-%d %H:%M}" == f"{days(90):%Y-%m-%d} 23:59"


def test_the_edit_form_counts_from_when_the_value_was_made(alice, alice_client, create_key):
    issued = create_key(alice, expires_at=days(5))
    ApiKeyRecord.objects.update(created_at=days(-80))
    set_rules(max_lifetime_days=90)

    tree = page(alice_client.get(edit_address(issued.key.id)))
    assert choices(tree) == ["", "date"]
    assert f"{days(10):%-d %b %Y}" in described(tree, "expires")
    form = fields(tree.find("form", id="edit-form"))
    renamed = alice_client.post(edit_address(issued.key.id), form | {"name": "renamed"})
    form = fields(page(alice_client.get(edit_address(issued.key.id))).find("form", id="edit-form"))
    late = alice_client.post(edit_address(issued.key.id), form | {"expires": "30"})

    assert (renamed.status_code, late.status_code) == (303, 422)
    assert [error.text for error in page(late).find_all(class_="error")] == [TOO_LATE]
    rotation.rotate_api_key(caller_for(alice), issued.key.id, Overlap(timedelta()), None)
    assert choices(page(alice_client.get(edit_address(issued.key.id)))) == ["", "30", "90", "date"]
    form = fields(page(alice_client.get(edit_address(issued.key.id))).find("form", id="edit-form"))
    assert alice_client.post(edit_address(issued.key.id), form | {"expires": "90"}).status_code == 303


def test_the_form_to_rotate_says_first_what_is_to_be_edited(alice_client, alices_key):
    where = f"{KEYS}{alices_key.key.id}/rotate/"
    set_rules(max_lifetime_days=90)

    asked = page(alice_client.get(where))
    answer = alice_client.post(where, fields(asked.find("form", id="rotate-form")))

    assert answer.status_code == 422
    for tree in (asked, page(answer)):
        told = tree.find("dialog").find(class_="msg msg--warning")
        assert told.text == f"{TOO_LATE} Edit API key"
        assert told.find("a")["href"] == edit_address(alices_key.key.id)


def test_the_forms_say_from_where_keys_can_be_used_at_most(alice_client, alices_key):
    told = "By the rules of this console, API keys can be used from 192.0.2.0/24 at most."
    assert told not in described(page(alice_client.get(CREATE)), "networks")

    set_rules(networks="192.0.2.0/24")

    for address in (CREATE, edit_address(alices_key.key.id)):
        assert told in described(page(alice_client.get(address)), "networks")


def test_who_may_create_no_key_is_told_in_place_of_the_form(alice, alice_client, dora_client):
    set_rules(creators="administrators")

    tree = page(alice_client.get(CREATE))

    assert tree.find("dialog").find(class_="msg msg--warning").text == (
        "Only administrators may create API keys here. Ask one of them for a key."
    )
    assert not tree.find_all("form", id="create-form")
    assert page(dora_client.get(CREATE)).find("form", id="create-form")
    set_rules(creators="some")
    assert page(alice_client.get(CREATE)).find("form", id="create-form")
    alice.may_create_keys = False
    alice.save()
    assert page(alice_client.get(CREATE)).find("dialog").find(class_="msg msg--warning").text == (
        "You are not among those who may create API keys. Ask an administrator."
    )


def test_a_full_house_is_said_above_the_form(alice_client, alices_key):
    set_rules(keys_per_identity=1)

    tree = page(alice_client.get(CREATE))

    assert tree.find("form", id="create-form").find(class_="msg msg--warning").text == (
        "You have reached the limit of 1 API keys. Delete a key that you no longer need, then try again."
    )


# What goes on working


def test_a_key_from_before_a_rule_goes_on_working_and_can_be_edited_and_paused(alice, alices_key):
    set_rules(max_lifetime_days=90, must_expire=True, creators="administrators")
    caller, key = caller_for(alice), alices_key.key

    renamed = keys.update_api_key(caller, key.id, ApiKeyChanges(name=Name("renamed"), expires_at=None), entity_tag="*")
    deletion.pause_api_key(caller, key.id, timedelta(minutes=1))
    resumed = deletion.resume_api_key(caller, key.id)

    assert (renamed.name, resumed.authenticates) == ("renamed", True)


def test_a_key_from_before_a_rule_comes_nearer_to_it_never_farther_and_can_then_be_rotated(alice, create_key):
    key = create_key(alice).key
    ApiKeyRecord.objects.update(created_at=days(-200))
    set_rules(max_lifetime_days=90)
    caller = caller_for(alice)

    def end(in_days: int) -> None:
        keys.update_api_key(caller, key.id, ApiKeyChanges(expires_at=days(in_days)), entity_tag="*")

    for too_late in (91, 365):
        with pytest.raises(exceptions.RuleBroken):
            end(too_late)
    end(60)
    with pytest.raises(exceptions.RuleBroken):
        end(61)
    end(50)
    rotation.rotate_api_key(caller, key.id, Overlap(timedelta()), None)
    end(90)

    assert ApiKeyRecord.objects.get().expires_at.date() == days(90).date()


def test_a_rotation_whose_history_is_gone_counts_from_the_creation(alices_key):
    ApiKeyRecord.objects.update(value_number=2)
    HistoryRecord.objects.all().delete()

    assert value_made_at(ApiKeyRecord.objects.get()) == alices_key.key.created_at


def test_a_form_that_is_sent_again_after_a_new_rule_still_hands_its_key_over(alice_client):
    form = fields(page(alice_client.get(CREATE)).find("form", id="create-form")) | {"name": "deploy", "expires": "365"}
    first = page(alice_client.post(CREATE, form)).find(id="value").raw
    set_rules(keys_per_identity=1, creators="administrators")

    again = page(alice_client.post(CREATE, form)).find(id="value").raw

    assert first == again


# Service IDs


@pytest.mark.parametrize("kind", ["alice", "dora"])
def test_a_service_id_creates_keys_where_its_manager_may_and_is_no_administrator(request, kind):
    manager = request.getfixturevalue(kind)
    service, _key = service_ids.create_service_id(caller_for(manager), ServiceIdDraft(Name("robot")))

    def create(name: str) -> None:
        holder = find_source(service.iam_id).holder
        creation.create_api_key(Caller(holder.identity, correlation_id="0" * 32), ApiKeyDraft(Name(name)))

    set_rules(creators="some")
    create("first")
    manager.may_create_keys = False
    manager.save()
    with pytest.raises(exceptions.CreationNotAllowed):
        create("second")
    manager.may_create_keys = True
    manager.save()
    set_rules(creators="administrators")
    with pytest.raises(exceptions.CreationNotAllowed):
        create("third")

    assert [key.name for key in ApiKeyRecord.objects.all()] == ["first"]


def test_a_service_id_with_a_first_key_that_breaks_a_rule_is_not_made_either(alice):
    set_rules(must_expire=True)
    program = program_of(alice)

    answer = program.post(
        "/v1/serviceids/",
        {"name": "robot", "account_id": alice.account_id, "apikey": {"name": "first"}},
        content_type="application/json",
    )

    assert (answer.status_code, answer.json()["errors"][0]["message"]) == (
        400, "An API key must expire. Choose an expiration.",
    )  # fmt: skip
    assert program.get("/v1/serviceids", {"account_id": alice.account_id}).json()["serviceids"] == []


def test_the_limits_tell_the_rule(alice):
    set_rules(keys_per_identity=7)

    told = program_of(alice).get(f"/v1/accounts/{alice.account_id}/limits/identity").json()

    assert told["apikeys_per_identity"]["limit"] == 7


def test_a_rule_that_is_broken_names_its_field_and_what_is_allowed(alice, create_key):
    set_rules(networks="192.0.2.0/24 198.51.100.0/24")

    with pytest.raises(exceptions.RuleBroken) as broken:
        create_key(alice, networks="203.0.113.0/24")

    assert broken.value.field == "networks"
    assert str(broken.value) == ("API keys may be used from 192.0.2.0/24, 198.51.100.0/24 at most. Choose from these.")


def test_people_with_more_keys_than_a_rule_allows_are_counted_up_to_a_number(alice, bob, dora, create_key, monkeypatch):
    for person, number in ((alice, 3), (bob, 2), (dora, 1)):
        for name in "abc"[:number]:
            create_key(person, name)

    def crowded(keys_per_identity: int) -> int:
        return _crowded(Rules(keys_per_identity=keys_per_identity), alice.account_id)

    assert [crowded(most) for most in (0, 1, 2, 3)] == [0, 2, 1, 0]
    monkeypatch.setattr("apikeys.backends.rules.COUNTED", 0)
    assert crowded(1) == 1


def test_a_service_id_that_somebody_else_manages_is_nobody_to_make_keys_for(alice, bob, create_key):
    robot = service_ids.create_service_id(caller_for(bob), ServiceIdDraft("robot"))[0]

    for iam_id in (robot.iam_id, bob.iam_id, "iam-ServiceId-x", "x"):
        with pytest.raises(exceptions.InvalidApiKey) as refused:
            create_key(alice, iam_id=iam_id)
        assert (refused.value.field, refused.value.message) == (
            "iam_id", "The specified IAM ID does not match the IAM ID in the token.",
        )  # fmt: skip


def test_networks_that_a_rule_does_not_allow_can_be_kept_and_not_chosen(alice, create_key):
    key = create_key(alice, networks="203.0.113.0/24").key
    set_rules(networks="192.0.2.0/24")
    caller = caller_for(alice)

    def change(**given: object) -> str:
        return keys.update_api_key(caller, key.id, ApiKeyChanges(**given), entity_tag="*").networks

    assert change(name=Name("renamed"), networks="203.0.113.0/24") == "203.0.113.0/24"
    with pytest.raises(exceptions.RuleBroken):
        change(networks="198.51.100.0/24")
    assert change(networks="192.0.2.0/25") == "192.0.2.0/25"


def test_a_value_that_is_too_easy_to_guess_is_refused_in_a_sentence(alice, create_key):
    with pytest.raises(exceptions.InvalidApiKey) as refused:
        create_key(alice, value="a" * 40)

    assert (refused.value.field, refused.value.message) == (
        "apikey", "This value can't be used. Send 32 or more random characters, or let the server generate a value.",
    )  # fmt: skip
