"""The page Sessions: Alice sees where she is logged in and ends it; Dora does so for her; Bob sees none of it."""

import hashlib
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from apikeys import audit
from apikeys.domain import Origin
from apikeys.exceptions import Unauthenticated
from apikeys.identity import log_ins, tokens
from apikeys.models import AuditEvent, RefreshToken, StoredTokens
from console.active_sessions.devices import command_line_of, device_of
from console.active_sessions.sessions import sessions_of
from console.factors import enrolled
from console.models import Session, User
from console.people import links
from console.sessions import stored_key
from tests.cast import PASSWORD
from tests.markup import page
from tests.second_factors import make_old
from tests.stores import index_for
from tests.test_sessions import NEW_PASSWORD, change_password, enter, is_logged_in, session_of

SESSIONS = "/sessions/"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
)
BASIC = {"Authorization": "Basic Yng6Yng="}


def browser(agent: str, address: str, username: str = "alice") -> Client:
    return enter(username, client=Client(REMOTE_ADDR=address, headers={"User-Agent": agent}))


def command_line(username: str = "alice", address: str = "192.0.2.44") -> dict[str, str]:
    """Log in as the command line does; return the tokens."""
    form = {"grant_type": "password", "username": username, "password": PASSWORD}
    agent = {"User-Agent": "apikeys/1.0"}
    answer = Client(REMOTE_ADDR=address).post("/identity/token", form, headers=BASIC | agent)
    assert answer.status_code == 200
    return answer.json()


def renew(given: dict[str, str]) -> int:
    form = {"grant_type": "refresh_token", "refresh_token": given["refresh_token"]}
    return Client().post("/identity/token", form, headers=BASIC).status_code


def works(given: dict[str, str]) -> bool:
    try:
        return bool(tokens.identify(given["access_token"], Origin()))
    except Unauthenticated:
        return False


def rows(client: Client, address: str = SESSIONS) -> list[str]:
    """Return what each row of the page says."""
    return [row.text for body in page(client.get(address)).find_all("tbody") for row in body.find_all("tr")]


def at(person, part: str = "") -> str:
    return f"/manage/users/{person.iam_id}/sessions/{part}"


def id_of(client: Client) -> str:
    return stored_key(session_of(client))


@pytest.mark.parametrize("part", ["end/", "{}/end/"])
def test_an_old_session_ends_others_once_alice_has_said_that_it_is_she(alice, part):
    here, other = enter(), enter()
    make_old(here)
    address = f"{SESSIONS}{part.format(id_of(other))}"

    asked = here.post(address)
    assert page(asked).find("h1").text == "Is it still you?"
    assert is_logged_in(other)
    here.post(address, {"proof_password": PASSWORD})

    assert not is_logged_in(other)


# What is listed


def test_alice_sees_each_browser_and_command_line_with_device_and_address(alice):
    here = browser(FIREFOX, "192.0.2.7")
    browser(CHROME, "2001:db8::7")
    command_line()

    first, *others = rows(here)

    assert "Firefox on Linux" in first and "192.0.2.7" in first and "This session" in first
    assert [words for words in ("Chrome on Windows", "2001:db8::7") if not any(words in row for row in others)] == []
    [shell] = [row for row in others if "Command line" in row]
    assert "192.0.2.44" in shell
    assert len(others) == 2


def test_a_session_that_has_ended_or_is_somebody_elses_is_not_listed(alice, bob):
    here, ended = enter(), enter()
    enter(bob.username)
    Session.objects.filter(session_key=id_of(ended)).update(last_used_at=timezone.now() - timedelta(hours=2))

    assert len(rows(here)) == 1


def test_an_exchange_of_a_key_is_no_log_in_of_the_command_line(alice, alices_key, alice_client):
    form = {"grant_type": "urn:ibm:params:oauth:grant-type:apikey", "apikey": alices_key.value}
    Client().post("/identity/token", form, headers=BASIC)

    assert len(rows(alice_client)) == 1


def test_a_log_in_stays_one_row_when_it_is_renewed_and_has_its_latest_use(alice, alice_client):
    given = command_line()
    [before] = log_ins.log_ins_of(alice)

    assert renew(given) == 200

    [after] = log_ins.log_ins_of(alice)
    assert (after.id, after.began_at) == (before.id, before.began_at)
    assert after.renewed_at > before.renewed_at
    assert len(rows(alice_client)) == 2


def test_a_log_in_of_the_release_before_is_listed_without_an_address(alice, alice_client):
    command_line()
    RefreshToken.objects.update(address=None, agent=None)

    assert any("Command line" in row and "–" in row for row in rows(alice_client))


@pytest.mark.parametrize(
    ("agent", "device"),
    [
        (FIREFOX, "Firefox on Linux"),
        (CHROME, "Chrome on Windows"),
        (f"{CHROME} Edg/140.0.0.0", "Microsoft Edge on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile Safari/604.1", "Safari on iPhone"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/18.0 Safari/605.1.15", "Safari on macOS"),
        ("Mozilla/5.0 (Linux; Android 15) Chrome/140.0 Mobile Safari/537.36", "Chrome on Android"),
        ("curl/8.5.0", "curl"),
        ("", "Unknown device"),
        ("Mozilla/5.0 (unheard of)", "Unknown device"),
    ],
)
def test_a_device_is_told_in_plain_words(agent, device):
    assert device_of(agent) == device


def test_another_program_that_logs_in_like_the_command_line_is_told_by_its_name():
    assert [command_line_of(agent) for agent in ("", "apikeys/1.0", "curl/8.5.0")] == [
        "Command line", "Command line", "Program: curl",
    ]  # fmt: skip


def test_what_a_client_calls_itself_is_escaped(alice):
    here = browser("<b>&", "192.0.2.7")

    assert "<b>&" not in here.get(SESSIONS).content.decode()


def test_what_is_listed_has_the_moments_and_the_names_that_it_is_ended_by(alice):
    browser(FIREFOX, "192.0.2.7")
    command_line()
    row, token = Session.objects.get(), RefreshToken.objects.get()

    by_address = {listed.address: listed for listed in sessions_of(alice, row.session_key)}
    here, shell = by_address["192.0.2.7"], by_address["192.0.2.44"]

    assert (here.id, here.began_at, here.last_used_at) == (row.session_key, row.began_at, row.last_used_at)
    assert (shell.id, here.is_this, shell.is_this) == (str(token.family), True, False)
    assert shell.began_at is not None
    assert shell.last_used_at is not None
    assert sessions_of(alice, row.session_key)[0] == here
    assert not any(listed.is_this for listed in sessions_of(alice))


# What is ended


def test_alice_ends_one_session_and_its_browser_is_out_at_its_next_request(alice):
    here, stolen, other = enter(), enter(), enter()

    answer = here.post(f"{SESSIONS}{id_of(stolen)}/end/")

    assert answer["Location"] == SESSIONS
    assert "The session has ended." in page(here.get(SESSIONS)).find(class_="toasts").text
    assert [is_logged_in(client) for client in (here, stolen, other)] == [True, False, True]


def test_alice_ends_a_command_line_with_its_refresh_token_and_its_access_tokens(alice, alice_client):
    ended, other = command_line(), command_line()
    family = RefreshToken.objects.get(digest=hashlib.sha256(ended["refresh_token"].encode()).hexdigest()).family

    alice_client.post(f"{SESSIONS}{family}/end/")

    assert (works(ended), renew(ended)) == (False, 400)
    assert (works(other), renew(other)) == (True, 200)


def test_alice_ends_all_others_and_stays_herself(alice):
    here, other, shell = enter(), enter(), command_line()
    assert "End all other sessions" in page(here.get(SESSIONS)).text

    here.post(f"{SESSIONS}end/")

    left = page(here.get(SESSIONS))
    assert "2 sessions have ended." in left.find(class_="toasts").text
    assert "End all other sessions" not in left.text
    assert (is_logged_in(here), is_logged_in(other), works(shell)) == (True, False, False)
    event = AuditEvent.objects.get(action=audit.SESSION_DELETE)
    assert (event.target_id, event.target_name, event.request_data) == (alice.iam_id, "alice", {"sessions": 2})


def test_bob_ends_nothing_of_alices(alice, bob_client):
    alices, shell = enter(), command_line()
    family = RefreshToken.objects.get().family

    for session_id in (id_of(alices), str(family), "nobody"):
        assert bob_client.post(f"{SESSIONS}{session_id}/end/").status_code == 302
    assert bob_client.post(at(alice, "end/")).status_code == 403

    assert bob_client.get(at(alice)).status_code == 403
    assert (is_logged_in(alices), works(shell)) == (True, True)


def test_dora_sees_and_ends_alices(alice, dora_client):
    alices, other, shell = browser(FIREFOX, "192.0.2.7"), enter(), command_line()
    assert len(rows(dora_client, at(alice))) == 3

    dora_client.post(at(alice, f"{id_of(alices)}/end/"))
    assert [is_logged_in(client) for client in (alices, other)] == [False, True]
    dora_client.post(at(alice, "end/"))

    assert (is_logged_in(other), works(shell), is_logged_in(dora_client)) == (False, False, True)
    assert "No browser and no command line" in page(dora_client.get(at(alice))).text


def test_an_end_is_an_audit_event_and_nothing_is_said_where_nothing_ended(alice, dora_client):
    other = enter()

    for _time in range(2):
        dora_client.post(at(alice, f"{id_of(other)}/end/"))

    event = AuditEvent.objects.get(action=audit.SESSION_DELETE)
    assert (event.target_id, event.target_name, event.request_data) == (alice.iam_id, "alice", {"sessions": 1})


def test_the_tokens_of_an_upstream_iam_go_with_their_session(alice):
    here, other = enter(), enter()
    for client in (here, other):
        digest = hashlib.sha256(session_of(client).encode()).hexdigest()
        StoredTokens.objects.create(session_digest=digest, sealed=b"")

    here.post(f"{SESSIONS}{id_of(other)}/end/")

    [left] = StoredTokens.objects.values_list("session_digest", flat=True)
    assert left.startswith(id_of(here))


# What ends them by itself


def test_a_new_password_ends_other_sessions_and_command_lines(alice):
    here, other, shell = enter(), enter(), command_line()

    change_password(here)

    assert [is_logged_in(client) for client in (here, other)] == [True, False]
    assert (works(shell), renew(shell)) == (False, 400)
    assert len(rows(here)) == 1


def test_sessions_that_a_second_factor_ended_are_not_listed(alice, dora_client):
    client = enter()

    enrolled.end_sessions(User.objects.get(pk=alice.pk))

    assert not is_logged_in(client)
    assert rows(dora_client, at(alice)) == []


def test_who_is_deactivated_has_no_session_after_the_return(alice, dora_client):
    client, shell = enter(), command_line()

    for step in ("deactivate", "activate"):
        dora_client.post(f"/manage/users/{alice.iam_id}/{step}/")

    assert User.objects.get(pk=alice.pk).is_active
    assert (is_logged_in(client), works(shell), renew(shell)) == (False, False, 400)


def test_dora_who_deactivates_or_deletes_herself_is_told_on_the_log_in_page(dora, alice):
    for action in ("deactivate", "delete"):
        User.objects.filter(pk=alice.pk).update(is_superuser=True)
        User.objects.filter(pk=dora.pk).update(is_active=True)
        client = enter("dora")

        answer = client.post(f"/manage/users/{dora.iam_id}/{action}/")

        assert answer.status_code == 302
        assert "dora" in page(client.get("/login/")).find(class_="toasts").text
        assert not is_logged_in(client)


def test_alice_who_chooses_a_password_by_a_link_while_she_is_logged_in_logs_in_anew(alice, alice_client):
    code = links.make(alice, "")

    answer = alice_client.post(
        "/password/choose/", {"code": code, "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
    )

    assert (answer.status_code, answer["Location"]) == (302, "/login/")
    assert not is_logged_in(alice_client)


# What it costs


def test_a_persons_are_found_without_those_of_others(alice):
    sessions = Session.objects.filter(user_id=alice.pk).query
    families = RefreshToken.objects.filter(iam_id=alice.iam_id, api_key_id="").query

    assert index_for(_literal(sessions))[0] == "sessions_by_person"
    assert index_for(_literal(families))[0] == "log_ins_by_person"


def _literal(query) -> str:
    """Return SQL with its parameters in it, as a database plans it."""
    sql, parameters = query.sql_with_params()
    return sql % tuple(f"'{parameter}'" if isinstance(parameter, str) else parameter for parameter in parameters)
