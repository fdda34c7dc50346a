"""Whose log-in and which account: one session, one token, one account, whatever happens in other tabs."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.addresses import CREATE, KEYS, details_address
from tests.fault_server import Fault
from tests.markup import fields, page
from tests.recorded_iam import ACCOUNT, OTHER_ACCOUNT
from tests.upstream import HTMX, ConsoleWithUpstream, Visitor

ENDS = {
    "was deactivated": "UPDATE console_user SET is_active = false WHERE iam_id = ?",
    "is not known any more": "DELETE FROM console_user WHERE iam_id = ?",
}
OF_NO_SESSION = "SELECT count(*) FROM apikeys_storedtokens WHERE session_digest = ?"
ANOTHER_ACCOUNT = "You chose another account after you opened this form. Check the account, then send the form again."
NO_ACCESS = "gives you no access to this account."


def tab_of(person: Visitor, console: ConsoleWithUpstream) -> Visitor:
    """Return another tab of the same browser."""
    tab = Visitor(console, logs_in=False)
    tab.cookies.update(person.cookies)
    return tab


def asked_for(console: ConsoleWithUpstream) -> set[tuple[str, str]]:
    """Return, of each list that IAM was asked for, the token's account and the account that was named."""
    lists = console.iam.requests("list")
    assert lists
    return {(console.iam.bearers[asked.token][1], asked.query["account_id"]) for asked in lists}


# Over somebody else's session


@pytest.mark.parametrize("why", ENDS)
def test_ben_logs_in_over_the_session_of_somebody_who_is_gone(console, why):
    seats = [Visitor(console, "gone") for _seat in range(2)]
    for seat in seats:
        console.sql(ENDS[why], seat.iam_id)
        seat.username = Visitor(console, "ben", logs_in=False).username

    entered = [seat.enter() for seat in seats]
    console.iam.forget_requests()
    lists = [seat.get(KEYS) for seat in seats]

    bearers = [console.iam.usernames[console.iam.bearers[asked.token][0]] for asked in console.iam.requests("list")]
    assert [answer.status_code for answer in entered] == [302, 302]
    assert [answer.status_code for answer in lists] == [200, 200]
    assert bearers == [seat.username for seat in seats]
    assert console.sql(OF_NO_SESSION, hashlib.sha256(b"None").hexdigest()) == [(0,)]


# Two tabs, two accounts


def test_an_account_that_is_chosen_during_a_slow_change_stays_chosen(console, anna):
    key = console.iam.add_key(anna.iam_id, "terraform")
    form = {"csrfmiddlewaretoken": anna.create_form()["csrfmiddlewaretoken"]}
    tab, address = tab_of(anna, console), f"{details_address(key['id'])}lock/"

    with console.iam.holding("lock", Fault(wait=60), lambda: tab.post(address, data=form)) as locking:
        chosen = anna.choose(OTHER_ACCOUNT)
    console.iam.forget_requests()
    lists = [person.get(KEYS) for person in (anna, tab, anna)]

    assert (chosen.status_code, locking.result().status_code) == (302, 303)
    assert key["locked"]
    assert [answer.status_code for answer in lists] == [200] * 3
    assert asked_for(console) == {(OTHER_ACCOUNT, OTHER_ACCOUNT)}


def test_an_account_that_is_chosen_while_another_tab_renews_stays_chosen(console, anna):
    tab = tab_of(anna, console)
    console.iam.expire_access_tokens()

    with (
        ThreadPoolExecutor(1) as pool,
        console.iam.holding("refresh", Fault(wait=60), lambda: tab.get(KEYS)) as listing,
    ):
        choosing = pool.submit(anna.choose, OTHER_ACCOUNT)
    console.iam.forget_requests()
    anna.get(KEYS)
    tab.get(KEYS)

    assert (listing.result().status_code, choosing.result().status_code) == (200, 302)
    assert asked_for(console) == {(OTHER_ACCOUNT, OTHER_ACCOUNT)}


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_form_of_another_account_makes_nothing_says_so_and_works_when_it_is_sent_again(console, anna, headers):
    form = anna.create_form() | {"name": "o'neill<b>&\" typed"}
    anna.choose(OTHER_ACCOUNT)

    refused = anna.post(CREATE, data=form, headers=headers)
    made_by_then = console.iam.keys_of(anna.iam_id)
    again = fields(page(refused).find("form", id="create-form"))
    created = anna.post(CREATE, data=again, headers=headers)

    [made] = console.iam.keys_of(anna.iam_id)
    same_nonce = again["nonce"] == form["nonce"]
    assert refused.status_code == 422
    assert ANOTHER_ACCOUNT in page(refused).raw
    assert made_by_then == []
    assert same_nonce
    assert created.status_code == 200
    assert (made["name"], made["account_id"]) == (form["name"], OTHER_ACCOUNT)


def test_a_form_that_was_opened_in_the_same_account_is_not_refused_after_a_renewal(console, anna):
    form = anna.create_form() | {"name": "terraform"}
    console.iam.expire_access_tokens()

    created = anna.post(CREATE, data=form)

    [made] = console.iam.keys_of(anna.iam_id)
    assert created.status_code == 200
    assert made["account_id"] == ACCOUNT


def test_who_is_granted_another_account_than_they_chose_is_told_and_goes_on_with_what_the_token_says(console, anna):
    grant = console.iam.pair_for(anna.username, OTHER_ACCOUNT)
    console.iam.fail("refresh", Fault(done=True, change=lambda _fields: grant))

    told = anna.choose(ACCOUNT)
    console.iam.forget_requests()
    listed, again = anna.get(KEYS), page(anna.get("/account/"))

    current = [choice["value"] for choice in again.find_all("input", type="radio") if "checked" in choice]
    assert told.status_code == 422
    assert NO_ACCESS in page(told).find(id="refusal").raw
    assert listed.status_code == 200
    assert asked_for(console) == {(OTHER_ACCOUNT, OTHER_ACCOUNT)}
    assert current == [OTHER_ACCOUNT]
