"""Log-ins upstream: their tokens are sealed, renewed once whoever asks, and end with the session."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.utils import timezone

from apikeys.exceptions import BackendUnavailable, LogInAgain
from apikeys.iam.claims import account_of, claims_of
from apikeys.iam.client import IAMClient
from apikeys.iam.timeouts import RENEW_BEFORE_SECONDS
from apikeys.models import StoredTokens
from apikeys.upstream import login, sessions
from apikeys.upstream.sessions import IAMAccess
from tests import fault_server as faults
from tests.addresses import CREATE, KEYS, edit_address
from tests.cast import PASSWORD
from tests.fault_server import Fault, FaultServer
from tests.markup import fields, page
from tests.recorded_iam import ACCOUNT, OTHER_ACCOUNT
from tests.stores import all_cells, database_bytes, tables_with
from tests.threads import at_once
from tests.upstream import HTMX, ConsoleWithUpstream, Visitor

SESSION = "a session key that only a cookie holds"
LOGINS = "SELECT count(*) FROM apikeys_storedtokens"
STRANGERS = "c" * 32


def access(session_key: str = SESSION, seconds: float = 9) -> IAMAccess:
    return IAMAccess(session_key, "IBMid-ANNA", deadline=time.monotonic() + seconds)


@pytest.fixture
def logged_in(transactional_db, iam) -> str:
    """Anna has logged in; her access token."""
    pair = IAMClient(iam.url).log_in_with_password("anna", PASSWORD)
    sessions.begin(SESSION, pair)
    return pair.access_token


# Sealed


def test_neither_a_cell_nor_a_byte_of_the_database_has_a_token(iam, logged_in):
    access().renew(logged_in)

    found = [tables_with(secret) for secret in iam.secrets]
    kept = database_bytes()
    in_bytes = sum(secret.encode() in kept for secret in iam.secrets)
    assert len(iam.secrets) == 4
    assert found == [[]] * 4
    assert in_bytes == 0


def test_the_database_and_the_secret_key_open_nothing_without_the_key_of_the_session(logged_in, settings):
    row = StoredTokens.objects.get()
    held = [str(cell) for cells in all_cells().values() for cell in cells] + [settings.SECRET_KEY, ""]

    opened = [key for key in held if sessions._unseal(key, row)]

    same = sessions._unseal(SESSION, row).access_token == logged_in
    assert opened == []
    assert same


def test_another_secret_key_ends_the_log_in(logged_in, settings):
    settings.SECRET_KEY = "x" * 60

    with pytest.raises(LogInAgain):
        access().token()


def test_tokens_are_forgotten_when_their_session_is_over(logged_in, settings):
    sessions.forget_old()
    kept = StoredTokens.objects.count()
    over = timezone.now() - timedelta(seconds=settings.SESSION_COOKIE_AGE + 1)
    StoredTokens.objects.update(created_at=over)

    sessions.forget_old()

    assert (kept, StoredTokens.objects.count()) == (1, 0)


# Renewed


def test_a_token_is_renewed_shortly_before_it_runs_out_and_not_earlier(transactional_db, iam):
    iam.token_seconds = RENEW_BEFORE_SECONDS - 5
    sessions.begin(SESSION, IAMClient(iam.url).log_in_with_password("anna", PASSWORD))
    iam.token_seconds = 3600

    tokens = [access().token() for _time in range(3)]

    assert len(set(tokens)) == 1
    assert iam.count("refresh") == 1


def test_twenty_threads_make_one_request_for_another_token(iam, logged_in):
    iam.fail("refresh", Fault(wait=0.3))

    tokens = at_once(20, lambda: access().renew(logged_in))

    unlike = [type(token) for token in tokens if not isinstance(token, str) or token == logged_in]
    assert unlike == []
    assert len(set(tokens)) == 1
    assert iam.count("refresh") == 1


def renewal_held(iam: FaultServer, token: str, seconds: float):
    """Have a thread wait for another token, at the most so long, while the block runs."""
    return iam.holding("refresh", Fault(wait=seconds), lambda: at_once(1, lambda: access().renew(token)))


def test_who_can_wait_no_longer_for_another_threads_renewal_is_told_so(iam, logged_in):
    with renewal_held(iam, logged_in, 60) as renewing, pytest.raises(BackendUnavailable):
        access(seconds=0.2).renew(logged_in)

    [token] = renewing.result()
    assert isinstance(token, str)
    assert iam.count("refresh") == 1


FAULTS = [faults.SILENT, faults.RESET, faults.ERROR_500, faults.ERROR_502, faults.TOO_MANY, faults.HTML_200]
FAULTS += [faults.CUT_JSON, faults.EMPTY_OBJECT, faults.TOKEN_ERROR_500, faults.REDIRECT]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_renewal_that_fails_keeps_the_log_in(iam, logged_in, fault):
    iam.fail("refresh", fault)

    with pytest.raises(BackendUnavailable):
        access(seconds=0.5).renew(logged_in)
    token = access().renew(logged_in)

    renewed = token != logged_in
    assert renewed
    assert iam.count("refresh") == 2


def test_a_renewal_that_is_refused_ends_the_log_in(iam, logged_in):
    iam.refreshers.clear()

    with pytest.raises(LogInAgain):
        access().renew(logged_in)

    assert StoredTokens.objects.count() == 0


def test_an_account_is_chosen_even_while_another_request_renews(iam, logged_in):
    with renewal_held(iam, logged_in, 0.5):
        access().choose_account(OTHER_ACCOUNT)

    assert access().account_id == OTHER_ACCOUNT
    assert account_of(access().token()) == OTHER_ACCOUNT


def test_nothing_is_asked_for_without_a_place_to_wait_in(transactional_db, iam, settings):
    iam.token_seconds = RENEW_BEFORE_SECONDS - 5
    sessions.begin(SESSION, IAMClient(iam.url).log_in_with_password("anna", PASSWORD))
    iam.forget_requests()
    settings.ACCOUNTS_URL, settings.IAM_SLOTS = iam.url, 0

    found = login.accounts(access())
    access().detect_sees_all()

    assert (found, access().sees_all) == ([], False)
    assert iam.asked == []


def test_who_sees_all_of_an_account_still_does_with_the_next_token_and_not_in_another_account(
    iam, logged_in, monkeypatch
):
    monkeypatch.setattr(iam, "administrators", {claims_of(logged_in)["iam_id"]})
    access().detect_sees_all()
    before = access().sees_all

    access().renew(logged_in)
    renewed = access().sees_all
    access().choose_account(OTHER_ACCOUNT)

    assert (before, renewed, access().sees_all) == (True, True, False)


def test_a_renewal_that_took_too_long_does_not_undo_a_later_one(iam, logged_in):
    slow = access()
    row, _pair = slow._load()
    access().renew(logged_in)
    newest = access().token()

    slow._stored_version(row).update(sealed=b"an old answer")

    same = access().token() == newest
    assert same


# In the console


def end_log_ins(iam: FaultServer) -> None:
    with iam.lock:
        iam.expire_access_tokens()
        iam.refreshers.clear()


def enter(person: Visitor, location: str) -> str:
    """Log in again where a page led to; return where that leads."""
    address = urlsplit(location)
    return person.enter(f"{address.path}?{address.query}").headers["Location"]


def test_logging_out_forgets_the_tokens(console, anna):
    [(before,)] = console.sql(LOGINS)

    anna.submit(anna.get(KEYS), "/logout/")

    [(after,)] = console.sql(LOGINS)
    assert after == before - 1


def test_two_processes_make_one_request_for_another_token(console, anna):
    with ConsoleWithUpstream(console.data_dir, console.iam) as other:
        console.iam.forget_requests()
        console.iam.expire_access_tokens()
        console.iam.fail("refresh", Fault(wait=0.3))

        def look(number: int) -> int:
            with Visitor(console if number % 2 else other, logs_in=False) as same_person:
                same_person.cookies.update(anna.cookies)
                return same_person.get(KEYS).status_code

        with ThreadPoolExecutor(8) as pool:
            told = list(pool.map(look, range(8)))

    assert told == [200] * 8
    assert console.iam.count("refresh") == 1


@pytest.mark.parametrize("headers", [{}, HTMX])
@pytest.mark.parametrize("which", ["create", "edit"])
def test_what_was_typed_is_there_again_after_the_log_in_that_had_ended(console, anna, which, headers):
    address = CREATE if which == "create" else edit_address(console.iam.add_key(anna.iam_id, "terraform")["id"])
    form = fields(page(anna.get(address, headers=HTMX)).find("form", id=f"{which}-form"))
    end_log_ins(console.iam)
    typed = {"name": "o'neill<b>&\" typed", "description": "Typed, too"}

    refused = anna.post(address, data=form | typed, headers=headers)
    told = anna.get(refused.headers["HX-Redirect" if headers else "Location"])
    back = enter(anna, told.url.removeprefix(anna.url))
    again = fields(page(anna.get(back)).find("form", id=f"{which}-form"))
    later = fields(page(anna.get(back)).find("form", id=f"{which}-form"))

    assert refused.status_code == (401 if headers else 302)
    assert "has ended. Log in again." in told.text
    assert back == address
    assert {name: again[name] for name in typed} == typed
    assert {name: later[name] for name in typed} != typed
    assert len(console.iam.keys_of(anna.iam_id)) == (which == "edit")


def test_whoever_logs_in_next_does_not_see_what_anna_typed(console, anna):
    form = anna.create_form() | {"name": "Anna's secret project"}
    end_log_ins(console.iam)
    refused = anna.post(CREATE, data=form)
    anna.username = Visitor(console, "ben", logs_in=False).username

    seen = anna.get(enter(anna, refused.headers["Location"]))

    assert fields(page(seen).find("form", id="create-form"))["name"] == ""
    assert "secret project" not in seen.text + anna.get(KEYS).text


def test_a_log_in_survives_a_renewal_that_fails(console, anna):
    console.iam.expire_access_tokens()
    console.iam.fail("refresh", faults.ERROR_503)

    during, afterwards = anna.get(KEYS), anna.get(KEYS)

    assert (during.status_code, afterwards.status_code) == (503, 200)


# Accounts


@pytest.fixture
def many(console) -> Visitor:
    """Somebody who belongs to several accounts, and has chosen none."""
    console.iam.heal()
    person = Visitor(console, "many", logs_in=False)
    console.iam.in_several_accounts.add(person.username)
    person.log_in(person.username, PASSWORD)
    return person


def test_who_has_several_accounts_chooses_one_of_the_list_first(console, many):
    led = many.get(KEYS, allow_redirects=False)
    asked = page(many.get(led.headers["Location"]))

    labels = [label for label in asked.find_all("label") if label.find_all("input", name="account")]
    options = {label.find("input")["value"]: label.text for label in labels}
    chosen = many.choose(OTHER_ACCOUNT)
    seen = many.get(KEYS)

    assert led.headers["Location"] == f"/account/?next={KEYS}"
    assert options == {ACCOUNT: f"Example & Sons {ACCOUNT}", OTHER_ACCOUNT: f"Another {OTHER_ACCOUNT}"}
    assert (chosen.status_code, chosen.headers["Location"]) == (302, KEYS)
    assert f"You are now managing the API keys of account {OTHER_ACCOUNT}." in page(seen).raw
    assert console.iam.requests("list")[-1].query["account_id"] == OTHER_ACCOUNT


def test_an_account_can_be_typed_where_the_list_is_not_to_be_had(console, many):
    console.iam.fail("accounts", faults.ERROR_503, times=3)

    asked = page(many.get("/account/"))
    chosen = many.choose(ACCOUNT)

    assert asked.find("input", id="account")
    assert chosen.status_code == 302
    assert many.get(KEYS, allow_redirects=False).status_code == 200


@pytest.mark.parametrize(
    ("account", "said"),
    [
        (STRANGERS, "refused the request: The user is not a member of the account."),
        ("", "Enter the ID of an account"),
        ("../admin", "Enter the ID of an account"),
        ("a" * 33, "Enter the ID of an account"),
    ],
)
def test_an_account_that_is_not_theirs_is_refused_in_the_form(many, account, said):
    refused = many.choose(account)

    assert refused.status_code == 422
    assert said in page(refused).find(id="refusal").raw
    assert many.get(KEYS, allow_redirects=False).status_code == 302


def test_an_account_is_chosen_again_after_a_fault(console, many):
    console.iam.fail("refresh", faults.ERROR_503)

    refused, chosen = many.choose(ACCOUNT), many.choose(ACCOUNT)

    assert (refused.status_code, chosen.status_code) == (503, 302)
