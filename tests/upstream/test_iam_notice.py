"""The notice of an unconfirmed creation: which keys it names, until when it is shown; and a form sent twice."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from tests import fault_server as faults
from tests.addresses import CREATE, KEYS, RECEIPT
from tests.cast import PASSWORD
from tests.fault_server import Fault
from tests.markup import fields, page, value_on
from tests.recorded_iam import v1_error
from tests.upstream import (
    HTMX,
    MAY_BE_ONE,
    NOT_HERE,
    UNCONFIRMED,
    Visitor,
    dismiss_forms,
    lose_creations,
    seconds_ago,
)

pytestmark = pytest.mark.once

IN_A_MOMENT = "the key is still being created. Send it again in a moment."
AGED = "UPDATE apikeys_handover SET created_at = ? WHERE iam_id = ?"
HANDOVERS = "SELECT id FROM apikeys_handover WHERE iam_id = ?"
HELD = Fault(wait=60)
REFUSED = v1_error(403, "forbidden", "BXNIM0513E", "You may not create API keys.")


def held_creation(console, person: Visitor, form: dict[str, str], fault: Fault = HELD, *, headers=None, answers=True):
    """Have IAM hold a creation while the block runs."""
    send = lambda: person.post(CREATE, data=form, headers=headers)  # noqa: E731
    return console.iam.holding("create", fault, send, answers=answers)


def notice(person: Visitor, address: str = KEYS) -> str:
    warnings = page(person.get(address)).find_all(class_="msg msg--warning")
    [said] = [warning.text for warning in warnings if UNCONFIRMED in warning.text]
    return said


def minutes_ago(minutes: float) -> str:
    return (datetime.now(UTC) - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M+0000")


# Which keys


@pytest.mark.parametrize("is_received", [False, True])
def test_a_key_whose_value_was_handed_over_is_not_named(console, anna, is_received):
    form = anna.create_form() | {"name": "terraform"}
    anna.post(CREATE, data=form)
    if is_received:
        anna.post(RECEIPT, data=form)
    lose_creations(console, anna, faults.RESET)

    assert NOT_HERE in notice(anna)


@pytest.mark.parametrize(
    ("created", "is_named"), [(0, False), (50, False), (59, True), (60, True), (64, True), (66, False), (120, False)]
)
def test_only_keys_that_were_made_about_then_are_named(console, anna, created, is_named):
    lose_creations(console, anna, faults.RESET)
    console.sql(AGED, seconds_ago(3600), anna.iam_id)
    console.iam.add_key(anna.iam_id, "terraform", created_at=minutes_ago(created))

    said = notice(anna)

    assert (MAY_BE_ONE in said, NOT_HERE in said) == (is_named, not is_named)


@pytest.mark.parametrize("name", ["Terraform", "terraform ", "terra"])
def test_a_key_of_another_name_is_not_named(console, anna, name):
    lose_creations(console, anna, faults.RESET)
    console.iam.add_key(anna.iam_id, name)

    assert NOT_HERE in notice(anna)


def test_somebody_elses_key_is_not_named_to_an_administrator(console):
    ida, ben = Visitor(console, "ida", logs_in=False), Visitor(console, "ben", logs_in=False)
    console.iam.administrators.add(ida.iam_id)
    console.iam.heal()
    ida.log_in(ida.username, PASSWORD)
    lose_creations(console, ida, faults.RESET)
    bens = console.iam.add_key(ben.iam_id, "terraform")

    seen = page(ida.get(f"{KEYS}?view=all"))

    assert bens["id"] in str([link.attributes for link in seen.find_all("a")])
    assert NOT_HERE in notice(ida, f"{KEYS}?view=all")


# When


def test_the_notice_is_there_too_while_iam_does_not_answer(console, anna):
    lose_creations(console, anna, faults.LOST)
    console.iam.fail("list", faults.ERROR_500, times=3)

    answer = anna.get(KEYS)

    assert answer.status_code == 503
    assert "An internal error occurred." in page(answer).raw
    assert UNCONFIRMED in page(answer).text


def test_a_creation_that_is_still_on_its_way_cannot_be_dismissed(console, anna):
    form = anna.create_form() | {"name": "terraform"}

    with held_creation(console, anna, form, answers=False) as creating:
        [(row_id,)] = console.sql(HANDOVERS, anna.iam_id)
        offered = dismiss_forms(anna)
        dismissed = anna.post(f"{CREATE}{row_id}/settle/", data={"csrfmiddlewaretoken": form["csrfmiddlewaretoken"]})
        dismissed_at = console.sql("SELECT dismissed_at FROM apikeys_handover WHERE id = ?", row_id)

    assert offered == []
    assert dismissed.status_code == 303
    assert dismissed_at == [(None,)]
    assert creating.result().status_code == 502
    assert UNCONFIRMED in notice(anna)


def test_a_creation_that_was_dismissed_and_is_answered_then_hands_its_value_over_all_the_same(console, anna):
    form = anna.create_form() | {"name": "terraform"}

    with held_creation(console, anna, form) as creating:
        console.sql(AGED, seconds_ago(61), anna.iam_id)
        [dismissal] = dismiss_forms(anna)
        anna.post(dismissal["action"], data=dismissal)
        after_dismissal = dismiss_forms(anna)
    created, again = creating.result(), anna.post(CREATE, data=form)

    same = value_on(created) == value_on(again)
    assert after_dismissal == []
    assert (created.status_code, again.status_code) == (200, 200)
    assert same
    assert len(console.iam.keys_of(anna.iam_id)) == 1


# The same form, twice


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_form_that_is_sent_again_while_its_first_sending_is_refused_asks_by_itself(console, anna, headers):
    form = anna.create_form() | {"name": "terraform"}
    console.iam.forget_requests()

    with held_creation(console, anna, form, Fault(REFUSED, wait=1), headers=headers) as first:
        second = anna.post(CREATE, data=form, headers=headers)

    assert (first.result().status_code, second.status_code) == (403, 200)
    assert console.iam.count("create") == 2
    assert len(console.iam.keys_of(anna.iam_id)) == 1


def test_a_form_that_is_sent_again_while_its_key_is_being_made_stays_to_be_sent_once_more(console, anna):
    form = anna.create_form() | {"name": "o'neill<b>&\" typed"}

    with held_creation(console, anna, form), ThreadPoolExecutor(2) as pool:
        told = list(pool.map(lambda headers: anna.post(CREATE, data=form, headers=headers), [{}, HTMX]))

    drawn = [fields(page(answer).find("form", id="create-form")) for answer in told]
    nonces = [shown["nonce"] == form["nonce"] for shown in drawn]
    assert [answer.status_code for answer in told] == [409, 409]
    assert all(IN_A_MOMENT in page(answer).raw for answer in told)
    assert nonces == [True, True]
    assert [shown["name"] for shown in drawn] == [form["name"]] * 2
