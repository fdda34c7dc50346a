"""Sessions: a copy of the database is nobody's session, and each one ends when it should."""

import hashlib
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import get_resolver, reverse
from django.utils import timezone

from apikeys.jobs import Sweeper
from apikeys.web.forms import new_nonce
from console import sessions
from console.models import User
from console.sessions import BEGAN
from tests.addresses import CREATE, KEYS, UNKNOWN_ID, delete_address
from tests.cast import PASSWORD
from tests.log_ins import is_logged_in
from tests.markup import page
from tests.stores import tables_with
from tests.test_asked_again import ARGUMENTS, is_api, routes

NEW_PASSWORD = "staple battery horse correct"
PASSWORD_PAGE = "/password/"


def session_of(client: Client) -> str:
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def with_session(key: str) -> Client:
    """Return somebody's browser that sends this session key."""
    client = Client()
    client.cookies[settings.SESSION_COOKIE_NAME] = key
    return client


def enter(username: str = "alice", password: str = PASSWORD, client: Client | None = None, **more: str) -> Client:
    client = client or Client()
    response = client.post("/login/", {"username": username, "password": password, **more})
    assert response.status_code == 302
    return client


def change_password(client: Client, old: str = PASSWORD, new: str = NEW_PASSWORD, again: str = NEW_PASSWORD):
    return client.post(PASSWORD_PAGE, {"old_password": old, "new_password1": new, "new_password2": again})


# In the database


def test_strangers_leave_no_session_but_for_a_challenge_which_is_counted(db):
    open_to_all = set()
    for route in routes(get_resolver()):
        path = reverse(route.name, kwargs={name: ARGUMENTS[name] for name in route.pattern.regex.groupindex})
        if getattr(route.callback, "login_required", True) or is_api(path):
            continue
        open_to_all.add(route.name)
        for method in ("get", "post"):
            getattr(Client(), method)(path, {"code": "123456", "passkey": "{}", "username": "nobody", "password": "-"})
        left, _by_model = Session.objects.all().delete()
        assert left == (route.name == "passkey_options_to_log_in"), route.name

    assert {"login", "second_step", "passkey_log_in", "choose_password"} <= open_to_all


def test_the_database_holds_only_a_hash_of_the_session_key(alice_client):
    key = session_of(alice_client)

    [stored] = Session.objects.values_list("session_key", flat=True)

    assert stored == hashlib.sha256(key.encode()).hexdigest()[:40]
    assert tables_with(stored) == ["django_session"]
    assert tables_with(key) == []


def test_a_session_names_the_backend_by_the_path_that_releases_before_gave_it(alice_client):
    assert alice_client.session[BACKEND_SESSION_KEY] == "console.auth.LimitedModelBackend"


def test_a_thief_with_the_database_has_nobodys_session(alice_client):
    [stored] = Session.objects.values_list("session_key", flat=True)

    assert not is_logged_in(with_session(stored))
    assert is_logged_in(with_session(session_of(alice_client)))


@pytest.mark.parametrize("key", ["", "x", "x" * 40, "' OR 1=1 --", "a" * 5000, "é", "\\0"])
def test_a_session_key_that_was_never_given_is_nobodys(alice_client, key):
    assert not is_logged_in(with_session(key))


def test_a_session_is_found_again_with_all_that_was_put_in_it(alice_client):
    session = alice_client.session
    session["word"] = "kept"
    session.save()

    assert with_session(session_of(alice_client)).session["word"] == "kept"
    assert Session.objects.count() == 1


# Its beginning


def test_a_log_in_gives_a_new_session_whatever_was_sent_before(alice):
    planted = with_session("planted0by0somebody0else0planted")

    enter(client=planted)

    assert session_of(planted) != "planted0by0somebody0else0planted"
    assert not is_logged_in(with_session("planted0by0somebody0else0planted"))


# Its end


def test_log_out_ends_the_session_for_whoever_has_its_key_and_not_the_others(alice):
    here, elsewhere = enter(), enter()
    key = session_of(here)

    here.post("/logout/")

    assert not is_logged_in(with_session(key))
    assert not is_logged_in(here)
    assert is_logged_in(elsewhere)
    assert Session.objects.count() == 1


def test_a_session_ends_after_twelve_hours_at_the_latest(alice_client):
    ends = Session.objects.get().expire_date
    assert timedelta(hours=11) < ends - timezone.now() <= timedelta(hours=12)

    Session.objects.update(expire_date=timezone.now())

    assert not is_logged_in(alice_client)


@pytest.mark.django_db(transaction=True)
def test_sessions_that_are_over_are_forgotten_at_the_next_sweep(alice_client, dora):
    Session.objects.update(expire_date=timezone.now())
    doras = enter("dora")
    assert Session.objects.count() == 2, "a log-in is not the time to tidy up"

    Sweeper([sessions.forget_expired]).sweep()

    assert Session.objects.count() == 1
    assert is_logged_in(doras)


def test_twelve_hours_count_from_the_log_in_whatever_is_done_meanwhile(alice):
    client = enter()
    session = client.session
    session[BEGAN] -= 11 * 60 * 60
    session.save()

    client.post(delete_address(UNKNOWN_ID))  # its news is written into the session
    change_password(client)  # gives the session another key

    [ends] = Session.objects.values_list("expire_date", flat=True)
    assert is_logged_in(client)
    assert ends - timezone.now() <= timedelta(hours=1)


@pytest.mark.parametrize("end", [lambda people: people.update(is_active=False), lambda people: people.delete()])
def test_a_disabled_or_deleted_person_is_out_at_once(alice, alice_client, end):
    end(User.objects.filter(pk=alice.pk))

    assert not is_logged_in(alice_client)


# The password


def test_a_new_password_ends_alices_other_sessions_and_gives_this_one_a_new_key(alice):
    here, elsewhere = enter(), enter()
    old_key = session_of(here)

    response = change_password(here)

    assert (response.status_code, response["Location"]) == (302, "/")
    told = page(here.get("/")).find(class_="toasts").text
    assert "Your password was changed. Your other sessions have ended." in told
    assert is_logged_in(here)
    assert session_of(here) != old_key
    assert not is_logged_in(with_session(old_key))
    assert not is_logged_in(elsewhere)


def test_the_new_password_works_and_the_old_one_does_not(alice):
    change_password(enter())

    enter(password=NEW_PASSWORD)

    refused = Client().post("/login/", {"username": "alice", "password": PASSWORD})
    assert refused.status_code == 422


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"old": "not the old one"}, "old_password"),
        ({"old": ""}, "old_password"),
        ({"new": "fourteen chars", "again": "fourteen chars"}, "new_password1"),
        ({"again": "something else entirely"}, "new_password2"),
        ({"new": "123456789012345", "again": "123456789012345"}, "new_password1"),
        ({"new": "alice@example.com", "again": "alice@example.com"}, "new_password1"),
        ({"new": "", "again": ""}, "new_password1"),
    ],
)
def test_a_bad_new_password_is_refused_beside_the_field_and_nothing_ends(alice, typed, field):
    client, elsewhere = enter(), enter()

    response = change_password(client, **typed)

    tree = page(response)
    control = tree.find("input", name=field)
    assert response.status_code == 422
    assert control["aria-invalid"] == "true"
    assert tree.find(id=control["aria-describedby"].split()[-1]).text
    assert not [box for box in tree.find_all("input", type="password") if box.attributes.get("value")]
    assert is_logged_in(client)
    assert is_logged_in(elsewhere)


def test_a_sentence_of_any_characters_may_be_a_password(alice):
    sentence = "ein Satz, 金鑰 & 🔑 – 128 Zeichen lang oder mehr: " + "x" * 100
    client = enter()

    change_password(client, new=sentence, again=sentence)

    enter(password=sentence)


# A session that ended under a page that is still open


def test_htmx_is_sent_to_the_log_in_page_as_a_whole_and_back_to_the_page_it_was_on(alice, client):
    current = f"http://testserver{KEYS}?q=a+b&sort=name"

    response = client.get(KEYS, {"q": "a b c"}, headers={"HX-Request": "true", "HX-Current-URL": current})

    assert response.status_code == 401
    assert response.content == b""
    login = response["HX-Redirect"]
    assert next_of(login) == f"{KEYS}?q=a+b&sort=name"
    answer = client.post(login, {"username": "alice", "password": PASSWORD, "next": next_of(login)})
    assert answer["Location"] == f"{KEYS}?q=a+b&sort=name"


def test_a_form_sent_by_htmx_after_the_session_ended_changes_nothing(alice, alice_client):
    Session.objects.all().delete()

    response = alice_client.post(
        CREATE,
        {"name": "terraform", "nonce": new_nonce()},
        headers={"HX-Request": "true", "HX-Current-URL": f"http://testserver{KEYS}"},
    )

    assert response.status_code == 401
    assert next_of(response["HX-Redirect"]) == KEYS
    assert tables_with("terraform") == []


@pytest.mark.parametrize(
    "current",
    [
        "https://evil.example/", "https://evil.example/manage/", "//evil.example/", "http://testserver//evil.example/",
        "http://testserver/\\evil.example", "http:\\\\evil.example", "javascript:alert(1)", "data:text/html,x", "", "x",
        "http://[evil", "http://testserver:port/", "\\\\evil.example", "http://testserver/%2f/evil.example",
        "/\t/evil.example", "https:///evil.example", "///evil.example", "http://" + "x" * 5000,
    ],
)  # fmt: skip
def test_a_hostile_current_url_leads_nowhere_else(alice, client, current):
    response = client.get(KEYS, headers={"HX-Request": "true", "HX-Current-URL": current})

    login = response["HX-Redirect"]
    assert response.status_code == 401
    assert login.startswith("/login/?next=")
    target = next_of(login)
    assert "evil.example" not in urlsplit(target).netloc
    assert target.startswith("/")
    assert not target.startswith(("//", "/\\"))
    answer = client.post("/login/", {"username": "alice", "password": PASSWORD, "next": target})
    assert answer["Location"] == target


def test_a_browser_is_redirected_to_the_log_in_page(client, db):
    response = client.get(f"{KEYS}?q=a+b")

    assert response.status_code == 302
    assert next_of(response["Location"]) == f"{KEYS}?q=a+b"


def next_of(login: str) -> str:
    [target] = parse_qs(urlsplit(login).query)["next"]
    return target
