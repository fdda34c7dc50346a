"""Creating a key upstream whose answer may be lost: one key for one form, one delivery of its value."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests import fault_server as faults
from tests.addresses import CREATE, DOWNLOAD, KEYS, RECEIPT, delete_address
from tests.fault_server import Fault, FaultServer
from tests.markup import page, value_on
from tests.recorded_iam import v1_error
from tests.upstream import (
    HTMX,
    MAY_BE_ONE,
    NOT_HERE,
    UNCONFIRMED,
    ConsoleWithUpstream,
    Visitor,
    dismiss_forms,
    lose_creations,
    seconds_ago,
)

AGED = "UPDATE apikeys_handover SET created_at = ? WHERE key_id = ''"


def listed(person: Visitor) -> str:
    return page(person.get(KEYS)).text


def dismiss(person: Visitor) -> None:
    [form] = dismiss_forms(person)
    assert person.post(form["action"], data=form).status_code == 303


def delete(person: Visitor, key: dict) -> None:
    person.submit(person.get(delete_address(key["id"])), delete_address(key["id"]))


MADE = [faults.LOST, faults.CUT_BODY, faults.NO_VALUE, faults.BAD_DATE, faults.NO_ID]
NOT_MADE = [faults.RESET, faults.ERROR_500, faults.ERROR_502, faults.HTML_200, faults.CUT_JSON, faults.A_LIST]


@pytest.mark.parametrize("fault", MADE)
@pytest.mark.parametrize("headers", [{}, HTMX])
def test_an_answer_that_was_lost_is_said_and_the_key_that_was_made_is_offered_for_deletion(
    console, anna, fault, headers
):
    form = anna.create_form() | {"name": "terraform"}
    console.iam.fail("create", fault)

    told = anna.post(CREATE, data=form, headers=headers)
    again = anna.post(CREATE, data=form, headers=headers)
    [made] = console.iam.keys_of(anna.iam_id)
    notice = listed(anna)
    delete(anna, made)

    assert (told.status_code, again.status_code) == (502, 502)
    assert "It may exist: look for it in the list." in page(told).raw
    assert UNCONFIRMED in notice
    assert MAY_BE_ONE in notice
    assert "Delete terraform" in notice
    assert console.iam.keys_of(anna.iam_id) == []
    assert UNCONFIRMED not in listed(anna)


@pytest.mark.parametrize("fault", NOT_MADE)
def test_a_key_that_was_not_made_is_looked_for_and_the_notice_dismissed(console, anna, fault):
    form = anna.create_form() | {"name": "terraform"}
    console.iam.fail("create", fault)

    told = anna.post(CREATE, data=form)
    notice = listed(anna)
    dismiss(anna)

    assert told.status_code == 502
    assert UNCONFIRMED in notice
    assert NOT_HERE in notice
    assert UNCONFIRMED not in listed(anna)
    assert anna.post(CREATE, data=form).status_code == 502, "the same form makes no key any more"
    assert console.iam.keys_of(anna.iam_id) == []


def test_a_deletion_whose_own_answer_is_lost_takes_the_notice_away_too(console, anna):
    lose_creations(console, anna, faults.LOST)
    [made] = console.iam.keys_of(anna.iam_id)
    console.iam.fail("delete", faults.LOST)

    delete(anna, made)

    tree = page(anna.get(KEYS))
    assert "terraform was deleted and no longer works." in tree.find(class_="toasts").text
    assert UNCONFIRMED not in tree.text


def test_the_deletion_of_an_older_key_of_the_same_name_dismisses_nothing(console, anna):
    older = console.iam.add_key(anna.iam_id, "terraform", created_at="2026-02-19T18:59+0000")
    lose_creations(console, anna, faults.LOST)

    delete(anna, older)

    notice = listed(anna)
    assert UNCONFIRMED in notice
    assert MAY_BE_ONE in notice


def test_of_two_unconfirmed_creations_a_deletion_dismisses_one(console, anna):
    lose_creations(console, anna, faults.LOST, faults.RESET)
    before = listed(anna).count(UNCONFIRMED)
    [made] = console.iam.keys_of(anna.iam_id)

    delete(anna, made)

    notice = listed(anna)
    assert (before, notice.count(UNCONFIRMED)) == (2, 1)
    assert NOT_HERE in notice


def test_bob_is_told_nothing_of_annas_unconfirmed_creation_and_cannot_dismiss_it(console, anna):
    bob = Visitor(console, "bob")
    lose_creations(console, anna, faults.LOST)
    [form] = dismiss_forms(anna)

    bob.post(form["action"], data=form | {"csrfmiddlewaretoken": bob.create_form()["csrfmiddlewaretoken"]})

    assert UNCONFIRMED not in listed(bob)
    assert UNCONFIRMED in listed(anna)


@pytest.mark.parametrize("fault", [faults.too_many("0"), faults.REDIRECT])
def test_a_creation_that_certainly_failed_is_sent_again_with_the_same_form(console, anna, fault):
    form = anna.create_form() | {"name": "terraform"}
    console.iam.fail("create", fault)

    refused, created = (anna.post(CREATE, data=form) for _time in range(2))

    assert (refused.status_code, created.status_code) == (503, 200)
    assert len(console.iam.keys_of(anna.iam_id)) == 1
    assert UNCONFIRMED not in listed(anna)


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ([], "You have reached the limit of 0 API keys."),
        ([faults.ERROR_500] * 3, "refused the request: The limit of API keys is reached. (transaction trace-of-v1)"),
        ([faults.EMPTY_OBJECT], "refused the request: The limit of API keys is reached. (transaction trace-of-v1)"),
        (
            [Fault(v1_error(403, "forbidden", "BXNIM0513E", "No."))],
            "refused the request: The limit of API keys is reached.",
        ),
    ],
)
def test_the_limit_is_said_in_the_form_whether_or_not_iam_tells_it(console, anna, limits, said):
    console.iam.limit = 0
    console.iam.fail("limits", *limits)

    answer = anna.post(CREATE, data=anna.create_form() | {"name": "o'neill<b>&\""})
    console.iam.limit = 1000

    assert answer.status_code == 422
    assert said in page(answer).raw
    assert page(answer).find("input", name="name")["value"] == "o'neill<b>&\""


def test_who_may_not_create_keys_is_told_in_the_form(console, anna):
    console.iam.fail("create", Fault(v1_error(403, "forbidden", "BXNIM0513E", "You may not create API keys.")))

    answer = anna.post(CREATE, data=anna.create_form() | {"name": "typed"})

    assert answer.status_code == 403
    assert "You may not create API keys." in page(answer).raw
    assert page(answer).find("input", name="name")["value"] == "typed"


def test_a_form_sent_twice_at_once_makes_one_key_and_both_get_its_value(console, anna):
    form = anna.create_form() | {"name": "terraform"}
    console.iam.fail("create", Fault(wait=1))

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda headers: anna.post(CREATE, data=form, headers=headers), [{}, HTMX])

    same = value_on(first) == value_on(second)
    assert (first.status_code, second.status_code) == (200, 200)
    assert same
    assert len(console.iam.keys_of(anna.iam_id)) == 1


def test_a_form_sent_many_times_takes_its_persons_places_and_no_more(console, anna):
    form = anna.create_form() | {"name": "terraform"}
    console.iam.fail("create", Fault(wait=2))

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _time: anna.post(CREATE, data=form), range(20)))

    told = [answer.status_code for answer in answers]
    busy = [answer for answer in answers if answer.status_code == 503]
    assert set(told) == {200, 503}
    assert told.count(200) <= 1 + 24 // 3
    assert all("Too many requests are already waiting for" in answer.text for answer in busy)
    assert len(console.iam.keys_of(anna.iam_id)) == 1


def test_a_second_log_in_is_not_needed_for_a_key_when_the_token_just_ran_out(console, anna):
    form = anna.create_form() | {"name": "terraform"}
    console.iam.expire_access_tokens()

    created = anna.post(CREATE, data=form)

    assert created.status_code == 200
    assert len(console.iam.keys_of(anna.iam_id)) == 1


def test_the_key_is_not_offered_for_a_test_where_no_token_is_issued(console, anna):
    created = page(anna.post(CREATE, data=anna.create_form() | {"name": "terraform"})).find("dialog", id="created")

    assert [button for button in created.find_all("button") if "data-test" in button] == []
    assert [button for button in created.find_all("button") if "data-copy-sample" in button]


def test_the_value_is_in_one_answer_and_nowhere_else(console, anna):
    form = anna.create_form() | {"name": "a name that is searched for"}

    created = anna.post(CREATE, data=form)
    value = value_on(created).encode()
    console.iam.fail("get", faults.ERROR_500, times=9)
    others = [anna.post(RECEIPT, data=form), anna.post(CREATE, data=form)]
    console.iam.heal()
    others += [anna.post(CREATE, data=form), anna.post(DOWNLOAD, data=form)]
    others += [anna.get(address) for address in ("/", KEYS, CREATE, f"{KEYS}?q={value.decode()}")]

    kept = b"".join(console.kept().values())
    in_bodies = [answer.content.count(value) for answer in others]
    in_urls = value in b"".join(asked.target.encode() for asked in console.iam.asked)
    found = {
        "kept": value in kept or form["nonce"].encode() in kept,
        "control": b"a name that is searched for" in kept,
        "in URLs": in_urls,
    }
    assert created.content.count(value) == 1
    assert [count for count in in_bodies[:-1] if count] == []
    assert found == {"kept": False, "control": True, "in URLs": False}
    assert [answer.status_code for answer in others[:4]] == [303, 409, 409, 409]


def test_a_console_that_is_killed_while_it_asks_tells_of_the_key_after_its_restart(tmp_path):
    with FaultServer() as iam:
        with ConsoleWithUpstream(tmp_path / "data", iam) as console:
            anna = Visitor(console)
            form = anna.create_form() | {"name": "terraform"}
            with iam.holding("create", Fault(done=True, wait=30), lambda: anna.post(CREATE, data=form)) as asking:
                console.kill()
        with ConsoleWithUpstream(tmp_path / "data", iam) as restarted:
            anna.url = restarted.url
            at_once = listed(anna)
            restarted.sql(AGED, seconds_ago(61))
            notice, again = listed(anna), anna.post(CREATE, data=form)
            [made] = iam.keys_of(anna.iam_id)
            delete(anna, made)
            afterwards = listed(anna)

    assert asking.exception() is not None
    assert UNCONFIRMED not in at_once
    assert UNCONFIRMED in notice
    assert "Delete terraform" in notice
    assert again.status_code == 502
    assert UNCONFIRMED not in afterwards
    assert iam.keys_of(anna.iam_id) == []
    assert re.search(r"\bERROR apikeys", restarted.log) is None
