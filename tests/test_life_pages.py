"""The pages of rotation, of restoring and of a pause: forms without script, fragments with it."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from apikeys.domain import Overlap
from apikeys.models import ApiKeyRecord, DeletedKeyRecord, PreviousValue
from apikeys.services import deletion, keys, rotation
from apikeys.usage import counting
from tests.addresses import KEYS
from tests.conftest import caller_for
from tests.markup import fields, page, text_of
from tests.uses import works

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nothing_counted")]
VALUE = re.compile(r"apk_[A-Za-z0-9]{40}")


def at(issued, action: str = "") -> str:
    return f"{KEYS}{issued.key.id}/{action}"


def rotate(client, issued, **chosen: str):
    form = fields(page(client.get(at(issued, "rotate/"))).find("form", id="rotate-form"))
    return client.post(at(issued, "rotate/"), form | chosen)


# Rotation


def test_a_rotation_shows_the_new_value_once_and_the_old_one_works_on(alice_client, alices_key):
    answer = rotate(alice_client, alices_key)

    value = VALUE.search(answer.content.decode())[0]
    assert "API key rotated" in text_of(answer)
    assert works(value)
    assert works(alices_key.value)
    assert value not in alice_client.get(at(alices_key)).content.decode()


def test_the_same_form_sent_again_rotates_once(alice_client, alices_key):
    form = fields(page(alice_client.get(at(alices_key, "rotate/"))).find("form", id="rotate-form"))

    first, again = (alice_client.post(at(alices_key, "rotate/"), form) for _time in range(2))

    assert VALUE.search(first.content.decode())[0] == VALUE.search(again.content.decode())[0]
    assert PreviousValue.objects.count() == 1
    alice_client.post(f"{KEYS}create/receipt/", {"nonce": form["nonce"]})
    late = alice_client.post(at(alices_key, "rotate/"), form)
    assert late.status_code == 409
    assert VALUE.search(late.content.decode()) is None
    assert "Rotate the key again" in text_of(late)
    assert "delete" not in text_of(late).lower()


@pytest.mark.parametrize("overlap, lasts", [("3600", timedelta(hours=1)), ("604800", timedelta(days=7))])
def test_the_overlap_is_the_one_that_was_chosen(alice_client, alices_key, overlap, lasts):
    rotate(alice_client, alices_key, overlap=overlap, ask_at_end="on")

    previous = PreviousValue.objects.get()
    assert previous.ends_at is not None
    assert abs(previous.ends_at - timezone.now() - lasts) < timedelta(minutes=1)
    assert previous.asks_at_end


def test_a_second_rotation_asks_first(alice_client, alices_key):
    rotate(alice_client, alices_key)

    refused = rotate(alice_client, alices_key)
    assert refused.status_code == 409
    assert "End that older value at once" in text_of(refused)
    assert works(alices_key.value)

    assert VALUE.search(rotate(alice_client, alices_key, end_previous="on").content.decode())
    assert not works(alices_key.value)


def test_the_details_say_how_far_it_is_and_finish_it(alice_client, alices_key):
    works(alices_key.value, "python-requests/2")
    works(alices_key.value, "curl/8")
    value = VALUE.search(rotate(alice_client, alices_key).content.decode())[0]
    works(value, "curl/8")
    counting.flush(everything=True)

    told = text_of(alice_client.get(at(alices_key)))
    assert "1 of 2 clients have moved to the new value" in told
    assert "192.0.2.1 python-requests" in told
    alice_client.post(at(alices_key, "end-previous/"))
    assert not works(alices_key.value)
    assert "clients have moved" not in text_of(alice_client.get(at(alices_key)))


def test_what_is_still_used_at_its_end_can_be_kept_or_finished(alice, alice_client, alices_key):
    rotation.rotate_api_key(caller_for(alice), alices_key.key.id, Overlap(timedelta(0), asks_at_end=True))
    PreviousValue.objects.update(last_used_at=timezone.now())

    assert "Its time is up" in text_of(alice_client.get(at(alices_key)))
    alice_client.post(at(alices_key, "extend-previous/"))

    assert "Its time is up" not in text_of(alice_client.get(at(alices_key)))
    assert works(alices_key.value)


def test_a_leaked_key_is_offered_to_end_its_value_at_once(alice_client, alices_key):
    ApiKeyRecord.objects.update(leaked=True)

    rotate(alice_client, alices_key)

    assert not works(alices_key.value)


def test_only_the_owner_is_offered_a_rotation_and_nobody_for_a_decoy(dora_client, bob_client, alice_client, alices_key):
    assert dora_client.get(at(alices_key, "rotate/")).status_code == 403
    assert bob_client.get(at(alices_key, "rotate/")).status_code == 404
    assert dora_client.get(at(alices_key)).content.count(b"rotate/") == 0
    ApiKeyRecord.objects.update(is_decoy=True)
    assert alice_client.get(at(alices_key)).content.count(b"rotate/") == 0


# Deletion and the way back


def delete(client, issued):
    return client.post(at(issued, "delete/"), follow=True)


def test_undo_is_in_the_message_and_brings_the_key_back(alice_client, alices_key):
    answer = delete(alice_client, alices_key)
    assert not works(alices_key.value)
    action = at(alices_key, "restore/")
    [form] = page(answer).find_all("form", action=action)
    assert form.find("button").text == "Undo"

    answer = alice_client.post(action, follow=True)

    assert works(alices_key.value)
    assert "terraform is back and works as before." in text_of(answer)


def test_a_key_that_leaked_and_a_server_without_hours_offer_no_undo(alice_client, create_key, alice, settings):
    leaked, other = create_key(alice, "leaked"), create_key(alice, "other")
    ApiKeyRecord.objects.filter(id=leaked.key.id).update(leaked=True)
    assert "You cannot undo this." in text_of(alice_client.get(at(leaked, "delete/")))
    assert b"/restore/" not in delete(alice_client, leaked).content
    settings.APIKEYS_RESTORE_HOURS = 0

    assert "You cannot undo this." in text_of(alice_client.get(at(other, "delete/")))
    assert b"/restore/" not in delete(alice_client, other).content


def test_what_was_deleted_lately_says_what_still_calls_with_it(alice_client, alices_key):
    delete(alice_client, alices_key)
    for _time in range(3):
        works(alices_key.value, "backup/1.2")
    counting.flush(everything=True)

    told = text_of(alice_client.get(f"{KEYS}deleted/"))

    assert "Refused 3 times since, at last from 192.0.2.1 backup/1.2" in told
    assert "Restore" in told


def test_what_can_not_be_restored_any_more_is_news_and_no_error(alice_client, bob_client, alices_key):
    delete(alice_client, alices_key)
    assert "can't be restored any more" in text_of(bob_client.post(at(alices_key, "restore/"), follow=True))
    DeletedKeyRecord.objects.update(gone_at=timezone.now())

    answer = alice_client.post(at(alices_key, "restore/"), follow=True)

    assert "can't be restored any more" in text_of(answer)
    assert "You have deleted no API key lately." in text_of(alice_client.get(f"{KEYS}deleted/"))


def test_the_question_before_says_who_uses_the_key(alice_client, alices_key):
    works(alices_key.value, "backup/1.2")
    counting.flush(everything=True)

    told = text_of(alice_client.get(at(alices_key, "delete/")))

    assert "Used in the last thirty days by 192.0.2.1 backup" in told
    assert "You can restore it for 24 hours." in told


@pytest.mark.parametrize("minutes", ["1", "5", "30"])
def test_trying_without_a_key_refuses_it_for_the_minutes_that_were_chosen(alice_client, alices_key, minutes):
    answer = alice_client.post(at(alices_key, "pause/"), {"minutes": minutes}, follow=True)

    assert "works again by itself then" in text_of(answer)
    assert not works(alices_key.value)
    until = ApiKeyRecord.objects.get().paused_until
    assert until is not None
    assert abs(until - timezone.now() - timedelta(minutes=int(minutes))) < timedelta(seconds=20)
    counting.flush(everything=True)
    assert "Refused 1 time since" in text_of(alice_client.get(at(alices_key)))
    alice_client.post(at(alices_key, "resume/"))
    assert works(alices_key.value)


def test_a_key_that_was_deleted_elsewhere_can_not_be_paused(alice, alice_client, alices_key):
    deletion.delete_api_key(caller_for(alice), alices_key.key.id)

    assert alice_client.post(at(alices_key, "pause/"), {"minutes": "1"}).status_code == 404
    assert keys.list_api_keys(caller_for(alice), keys.domain.ApiKeyQuery()).keys == ()


# Where a key is used, and what needs attention


def use(issued, *agents: str) -> None:
    for agent in agents:
        works(issued.value, agent)
    counting.flush(everything=True)


def test_the_details_have_the_places_and_thirty_days_as_chart_and_table(alice_client, alices_key):
    use(alices_key, "curl/8", "curl/8", "python-requests/2")
    keys_of_three = page(alice_client.get(at(alices_key)))

    assert "3 uses in the last thirty days" in keys_of_three.text
    places = keys_of_three.find("table", class_="plain cards")
    days = keys_of_three.find("table", class_="plain")
    latest = places.find("tbody").find_all("tr")[0]
    assert latest.text.startswith("192.0.2.1 python-requests 1 ")
    assert len(days.find("tbody").find_all("tr")) == 30
    assert days.find("tbody").find_all("tr")[0].find_all("td")[0].text == "3"
    assert len(keys_of_three.find_all("rect", class_="bar")) == 1


def test_a_key_that_was_never_used_has_no_chart(alice_client, alices_key):
    tree = page(alice_client.get(at(alices_key)))

    assert tree.find_all("rect") == []
    assert "0 uses in the last thirty days" in tree.text


def test_the_dashboard_has_the_chart_of_all_keys_and_no_noise_where_all_is_well(alice_client, alices_key):
    use(alices_key, "curl/8")

    tree = page(alice_client.get("/"))

    assert "1 use in the last thirty days" in tree.text
    assert "Needs attention" not in tree.text


def test_each_thing_that_needs_attention_stands_on_the_dashboard_with_its_action(alice, alice_client, create_key):
    made = {name: create_key(alice, name) for name in ("leaked", "soon", "unused", "rotated")}
    ApiKeyRecord.objects.filter(name="leaked").update(leaked=True)
    ApiKeyRecord.objects.filter(name="soon").update(expires_at=timezone.now() + timedelta(days=3))
    ApiKeyRecord.objects.filter(name="unused").update(last_used_at=timezone.now() - timedelta(days=100))
    rotation.rotate_api_key(caller_for(alice), made["rotated"].key.id, Overlap(timedelta(0), asks_at_end=True))
    PreviousValue.objects.update(last_used_at=timezone.now())

    section = page(alice_client.get("/")).find("section", aria_labelledby="attention")

    links = {link.text: link["href"] for link in section.find_all("a") if link.text != "See them in the list"}
    assert links == {name: at(made[name]) for name in ("leaked", "rotated", "soon")}
    lists = [link["href"] for link in section.find_all("a") if link.text == "See them in the list"]
    assert lists == [f"{KEYS}?leaked=true", f"{KEYS}?expires_within_days=14", f"{KEYS}?unused_for_days=90"]
    for words in ("1 key was found in public", "1 rotation waits for you", "1 key expires within 14 days"):
        assert words in section.text


def test_an_alarm_stands_on_the_dashboard_until_it_was_seen(alice_client, dora_client, bob_client, alice, create_key):
    decoy = create_key(alice, "root-credentials", is_decoy=True)
    use(decoy, "stealer/6.6")

    for client in (alice_client, dora_client):
        section = page(client.get("/")).find("section", aria_labelledby="attention")
        assert "A decoy key was used 192.0.2.1 stealer/6.6" in section.text
    assert "decoy" not in page(bob_client.get("/")).text
    assert bob_client.post(at(decoy, "alarm-seen/")).status_code == 404

    answer = alice_client.post(at(decoy, "alarm-seen/"), follow=True)
    assert "The alarm of root-credentials was noted." in text_of(answer)
    assert "A decoy key was used" not in text_of(dora_client.get("/"))
