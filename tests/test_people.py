"""Manage > Access > Users: Dora makes, changes and deletes people; with a link a person chooses a password, once."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.hashers import make_password
from django.db import OperationalError, transaction
from django.test import Client
from django.utils import timezone

from apikeys import audit
from apikeys.audit import counted
from apikeys.domain import Name, ServiceIdDraft
from apikeys.exceptions import InvalidApiKey, LastAdministrator
from apikeys.models import ApiKeyRecord, AuditEvent, ServiceIdRecord
from apikeys.services import service_ids
from console.active_sessions.sessions import end_all
from console.log_in.auth import HashingBusy
from console.models import PasswordLink, User
from console.people import changes, links
from tests.addresses import KEYS
from tests.cast import PASSWORD
from tests.conftest import caller_for, log_in, make_person
from tests.log_ins import can_log_in
from tests.markup import fields, page, text_of

pytestmark = pytest.mark.django_db

USERS, CREATE, CHOOSE = "/manage/users/", "/manage/users/create/", "/password/choose/"
NEW_PASSWORD = "a sentence that nobody else types"


def at(person, action: str = "") -> str:
    return f"{USERS}{person.iam_id}/{action}"


def link_in(answer) -> str:
    return page(answer).find(id="link").text


def code_in(answer) -> str:
    return link_in(answer).partition("#")[2]


def choose(code: str, password: str = NEW_PASSWORD, again: str = ""):
    form = {"code": code, "new_password1": password, "new_password2": again or password}
    return Client().post(CHOOSE, form)


def names_in(shown) -> list[str]:
    return [head.find("a").text for head in shown.find("tbody").find_all("th")] if shown.find_all("tbody") else []


# Who may


@pytest.mark.parametrize("path", [USERS, CREATE])
def test_pages_about_people_are_for_administrators(alice_client, dora_client, path):
    assert alice_client.get(path).status_code == 403
    assert dora_client.get(path).status_code == 200


def test_nobody_else_sees_or_changes_a_person(alice_client, bob):
    for answer in (
        alice_client.get(at(bob)),
        alice_client.post(at(bob), {"username": "bob"}),
        alice_client.post(at(bob, "link/")),
        alice_client.post(at(bob, "deactivate/")),
        alice_client.post(at(bob, "delete/")),
        alice_client.post(CREATE, {"username": "eve", "is_superuser": "on"}),
    ):
        assert answer.status_code == 403
    assert (User.objects.count(), PasswordLink.objects.count()) == (2, 0)


def test_the_menu_bar_leads_administrators_to_the_users(alice_client, dora_client):
    assert len(page(dora_client.get("/")).find_all("a", href=USERS)) == 2  # in the bar, and in that of small screens
    assert not page(alice_client.get("/")).find_all("a", href=USERS)


def test_the_admin_of_django_is_gone(dora_client):
    assert dora_client.get("/admin/").status_code == 404


# The list


def test_people_are_found_by_name_user_id_and_e_mail_address(dora_client, alice, bob):
    def found(search: str) -> list[str]:
        return names_in(page(dora_client.get(USERS, {"q": search})))

    assert found("") == ["Alice Liddell", "dora", bob.username]
    assert found("liddell") == found("alice@example") == found("lid ali") == ["Alice Liddell"]
    assert found("neill") == [bob.username]
    assert found("nobody") == []


def test_a_value_that_is_searched_for_gets_into_no_address(dora_client, alice, alices_key):
    assert dora_client.post(USERS, {"q": " alice "})["Location"] == f"{USERS}?q=alice"
    assert dora_client.post(USERS, {"q": ""})["Location"] == USERS

    for answer in (dora_client.post(USERS, {"q": alices_key.value}), dora_client.get(USERS, {"q": alices_key.value})):
        assert answer.status_code == 302
        assert alices_key.value not in answer["Location"]
    assert dora_client.get(answer["Location"]).status_code == 200


def test_the_list_tells_what_people_have_and_leads_to_their_keys(dora_client, alice, alices_key):
    row = page(dora_client.get(USERS, {"q": "alice"})).find("tbody").find("tr")

    assert row.find("a", href=f"/manage/security/apikeys/?view=all&owner={alice.iam_id}").text.strip() == "1 API key"
    assert "Never" in row.text


def test_many_people_come_page_by_page(dora_client, dora):
    for number in range(30):
        make_person(f"person-{number:02}")

    first = page(dora_client.get(USERS))
    [next_page] = [link["href"] for link in first.find_all("a") if link.text == "Next page"]
    second = page(dora_client.get(USERS + next_page))

    assert names_in(first) + names_in(second) == ["dora", *(f"person-{number:02}" for number in range(30))]
    assert (
        dora_client.get(USERS, {"page": "999"}).status_code == dora_client.get(USERS, {"page": "x"}).status_code == 200
    )


# A link to choose a password


def test_a_new_person_chooses_a_password_by_the_link_and_logs_in(dora_client):
    form = {"username": "carol", "first_name": "Carol", "email": "carol@example.com", "may_create_keys": "on"}
    answer = dora_client.post(CREATE, form)

    assert answer["Cache-Control"] == "no-store"
    assert re.fullmatch(r"http://testserver/password/choose/#[\w-]{43}", link_in(answer))
    assert not can_log_in("carol", "")
    assert choose(code_in(answer))["Location"] == "/login/"
    assert can_log_in("carol", NEW_PASSWORD)
    carol = User.objects.get(username="carol")
    assert (str(carol), carol.is_superuser, carol.may_create_keys) == ("Carol", False, True)


def test_a_whole_link_can_be_pasted(dora_client, alice):
    answer = dora_client.post(at(alice, "link/"))

    assert choose(f" {link_in(answer)}\n").status_code == 302


def test_a_link_works_once_and_not_after_its_day_or_another_one(dora_client, alice, bob):
    used = code_in(dora_client.post(at(alice, "link/")))
    assert choose(used).status_code == 302
    replaced = code_in(dora_client.post(at(alice, "link/")))
    ended = code_in(dora_client.post(at(alice, "link/")))
    PasswordLink.objects.update(ends_at=timezone.now())

    for code in (used, replaced, ended, "", "\0"):
        answer = choose(code, "another sentence of that kind")
        assert answer.status_code == 409, code
        assert Client().post(CHOOSE, {"code": code}).status_code == 409, "before a password was typed"
        told = page(answer)
        assert "Ask an administrator" in told.text
        assert told.find(id="id_code")["aria-describedby"] == "code-help refusal"
        assert told.find("a", href="/login/")
    assert can_log_in("alice", NEW_PASSWORD)


def test_a_link_says_whose_password_is_chosen_before_one_is_typed(dora_client, alice):
    code = code_in(dora_client.post(at(alice, "link/")))
    asked = page(Client().get(CHOOSE))

    shown = page(Client().post(CHOOSE, {"code": code}))

    assert asked.find(name="code").attributes.get("value", "") == ""
    assert not asked.find_all(name="new_password1")
    assert "For the user alice" in shown.text
    sent = fields(shown.find_all("form", action=CHOOSE)[0])
    assert (sent["code"], sent["username"], sent["new_password1"], sent["new_password2"]) == (code, "alice", "", "")
    assert not shown.find_all(class_="error")


def test_a_link_that_was_used_says_so_and_asks_for_nothing(dora_client, alice):
    code = code_in(dora_client.post(at(alice, "link/")))
    choose(code)

    answer = Client().post(CHOOSE, {"code": code})

    assert answer.status_code == 409
    told = page(answer)
    assert "This link was used already" in told.find(role="alert").text
    assert not told.find_all(id="id_code")
    assert told.find("a", href="/login/").text == "Log in"
    counted.write()
    assert AuditEvent.objects.filter(action=audit.PERSON_PASSWORD, reason="LinkUsed").count() == 1


def test_a_password_that_is_changed_otherwise_ends_the_link(dora_client, alice):
    code = code_in(dora_client.post(at(alice, "link/")))
    alice.save()  # as it is: the password stays
    assert PasswordLink.objects.exists()

    form = {"old_password": PASSWORD, "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
    assert log_in(alice).post("/password/", form).status_code == 302

    assert choose(code, "whoever found the link chooses").status_code == 409
    assert can_log_in("alice", NEW_PASSWORD)


@pytest.mark.parametrize("change", [{"is_active": False}, {"is_superuser": False}])
def test_a_link_ends_with_the_right_of_who_made_it(dora_client, dora, alice, change):
    make_person("erin", is_superuser=True)
    code = code_in(dora_client.post(at(alice, "link/")))
    for name, value in change.items():
        setattr(dora, name, value)
    dora.save()

    assert choose(code).status_code == 409
    assert can_log_in("alice", PASSWORD)


def test_a_link_of_somebody_deactivated_opens_nothing(dora_client, alice):
    code = code_in(dora_client.post(at(alice, "link/")))
    dora_client.post(at(alice, "deactivate/"))

    assert choose(code).status_code == 409


def test_a_password_that_is_refused_leaves_the_link_as_it_was(dora_client, alice):
    code = code_in(dora_client.post(at(alice, "link/")))

    weak, other = choose(code, "password"), choose(code, NEW_PASSWORD, "something else altogether")

    assert (weak.status_code, other.status_code) == (422, 422)
    assert fields(page(weak).find_all("form", action=CHOOSE)[0])["code"] == code
    for answer, wrong, right in ((weak, "1", "2"), (other, "2", "1")):
        assert page(answer).find(id=f"id_new_password{wrong}-error")
        assert not page(answer).find_all(id=f"id_new_password{right}-error")
    assert can_log_in("alice", PASSWORD)
    assert choose(code).status_code == 302
    assert not can_log_in("alice", PASSWORD)


def test_the_code_of_a_link_is_stored_nowhere(dora_client, alice):
    code = code_in(dora_client.post(at(alice, "link/")))

    stored = [str(row) for model in (PasswordLink, AuditEvent, User) for row in model.objects.values()]
    assert not [row for row in stored if code in row]
    assert not [value for value in dora_client.session.values() if code in str(value)]


def test_a_new_password_ends_the_sessions_of_the_old_one(dora_client, alice):
    session = log_in(alice)
    choose(code_in(dora_client.post(at(alice, "link/"))))

    assert session.get("/").status_code == 302


def test_a_password_that_no_processor_was_free_for_costs_the_link_no_attempt(dora_client, alice, monkeypatch, settings):
    settings.LOGIN_ATTEMPTS_PER_USER_AND_ADDRESS = 1
    code = code_in(dora_client.post(at(alice, "link/")))

    def busy(*_arguments: object) -> None:
        raise HashingBusy

    with monkeypatch.context() as patched:
        patched.setattr(changes, "make_password", busy)
        form = {"code": code, "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
        client = Client(raise_request_exception=False)
        assert {client.post(CHOOSE, form).status_code for _ in range(3)} == {429}

    assert choose(code).status_code == 302


def test_a_password_by_a_link_that_can_not_be_audited_is_not_chosen(dora_client, alice, monkeypatch):
    code = code_in(dora_client.post(at(alice, "link/")))

    def full(*_arguments: object, **_keywords: object) -> None:
        raise OperationalError

    with monkeypatch.context() as patched:
        patched.setattr(audit, "record_person", full)
        form = {"code": code, "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
        assert Client(raise_request_exception=False).post(CHOOSE, form).status_code == 503

    assert can_log_in("alice", PASSWORD)
    assert choose(code).status_code == 302


@pytest.mark.parametrize(
    ("meanwhile", "status"),
    [
        ({"is_active": False}, 422),
        ({"password": "another"}, 422),
        ({"sessions_mark": "another"}, 422),
        ({"is_superuser": False, "email": "d@d.example"}, 302),
    ],
)
def test_what_is_done_to_dora_while_her_own_new_password_is_hashed_stays(dora, monkeypatch, meanwhile, status):
    client, before = log_in(dora), User.objects.get(pk=dora.pk).password

    def hashed(password: str) -> str:
        User.objects.filter(pk=dora.pk).update(**meanwhile)
        return make_password(password)

    monkeypatch.setattr(changes, "make_password", hashed)
    form = {"old_password": PASSWORD, "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
    answer = client.post("/password/", form)

    assert answer.status_code == status
    now = User.objects.get(pk=dora.pk)
    assert {name: getattr(now, name) for name in meanwhile} == meanwhile
    assert now.check_password(NEW_PASSWORD) == (status == 302)
    if status == 422:
        assert now.password == meanwhile.get("password", before)
        assert AuditEvent.objects.get(action=audit.PERSON_PASSWORD).reason == "PasswordRefused"
    else:
        assert client.get(KEYS).status_code == 200


def test_a_session_that_is_ended_while_the_new_password_is_hashed_changes_nothing(alice, monkeypatch):
    client = log_in(alice)

    def hashed(password: str) -> str:
        end_all(caller_for(alice), alice)
        return make_password(password)

    monkeypatch.setattr(changes, "make_password", hashed)
    form = {"old_password": PASSWORD, "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}

    assert client.post("/password/", form).status_code == 422
    assert client.get(KEYS).status_code == 302
    assert can_log_in("alice", PASSWORD)


def test_a_link_that_an_operator_made_can_be_used_and_what_no_browser_sends_is_none(alice):
    with transaction.atomic():
        code = links.make(alice, "")

    assert links.find(code).user == alice
    assert links.find("\ud800") is None


def test_guesses_at_links_are_limited(settings, db):
    settings.LOGIN_ATTEMPTS_PER_USER_AND_ADDRESS = 3

    assert [choose("x" * 43).status_code for _ in range(3)] == [409] * 3
    refused = choose("x" * 43)
    assert (refused.status_code, int(refused["Retry-After"]) > 0) == (429, True)
    minutes = -(-int(refused["Retry-After"]) // 60)
    assert f"Too many attempts. Wait {minutes} minutes, then try again." in text_of(refused)


# Changes


def test_a_person_is_changed(dora_client, alice):
    form = {"username": "alice", "first_name": "Alice", "last_name": "Hargreaves", "email": "", "is_superuser": "on"}
    assert dora_client.post(at(alice), form)["Location"] == USERS

    alice.refresh_from_db()
    assert (str(alice), alice.email, alice.is_superuser, alice.may_create_keys) == ("Alice Hargreaves", "", True, False)


def test_a_form_that_is_older_than_another_change_undoes_none_of_it(dora_client, dora, alice):
    changes.change(caller_for(dora), alice.iam_id, is_superuser=True)
    stale = fields(page(dora_client.get(at(alice))).find("form", action=at(alice))) | {"first_name": "Alicia"}
    changes.change(caller_for(dora), alice.iam_id, is_superuser=False)

    refused = dora_client.post(at(alice), stale)

    assert refused.status_code == 422
    assert "Someone changed this user while you were editing." in page(refused).text
    assert dora_client.post(at(alice), fields(page(refused).find("form", action=at(alice)))).status_code == 302
    alice.refresh_from_db()
    assert (alice.first_name, alice.is_superuser) == ("Alicia", False)


@pytest.mark.parametrize("user_id", ["DORA", "alice", "Alice", "\u00c4NNE", "stra\u00dfe", "GROSS", "\u212aim"])
def test_nobody_gets_the_user_id_of_somebody_else_in_other_letters(dora_client, alice, user_id):
    for other in ("\u00e4nne", "strasse", "gro\u00df", "kim"):
        make_person(other)

    assert "Somebody has this user ID already." in page(dora_client.post(CREATE, {"username": user_id})).text
    bert = make_person("bert")
    assert "Somebody has this user ID already." in page(dora_client.post(at(bert), {"username": user_id})).text
    assert dora_client.post(at(bert), {"username": "Bert"}).status_code == 302


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"username": "dora"}, "already"),
        ({"username": ""}, "required"),
        ({"username": "a b"}, "valid"),
        ({"email": "nowhere"}, "valid"),
        ({"last_name": "a\u202eb"}, "direction"),
    ],
)
def test_what_no_person_may_be_called_is_said_beside_the_field(dora_client, alice, change, told):
    form = {"first_name": "A", "last_name": "B", "email": "a@example.com"}

    for address, user_id in ((at(alice), "alice"), (CREATE, "new")):
        answer = dora_client.post(address, {"username": user_id} | form | change)
        assert answer.status_code == 422
        assert told in page(answer).find(class_="error").text
    alice.refresh_from_db()
    assert (alice.username, User.objects.count()) == ("alice", 2)


@pytest.mark.parametrize("action", ["", "delete/"])
def test_who_is_about_to_shut_themselves_out_is_told_so(dora_client, dora, alice, action):
    assert "This is you" in page(dora_client.get(at(dora, action))).find("main").text
    assert "This is you" not in page(dora_client.get(at(alice, action))).find("main").text


def test_who_is_deactivated_is_refused_everywhere_and_back_when_activated(dora_client, alice, alice_client, alices_key):
    def exchange():
        grant = "urn:ibm:params:oauth:grant-type:apikey"
        return Client().post("/identity/token", {"grant_type": grant, "apikey": alices_key.value})

    token = exchange().json()["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    dora_client.post(at(alice, "deactivate/"))

    assert alice_client.get("/").status_code == 302
    assert exchange().status_code == 400
    assert Client().get("/v1/apikeys", headers=bearer).status_code == 401
    assert not can_log_in("alice", PASSWORD)
    dora_client.post(at(alice, "activate/"))
    assert exchange().status_code == Client().get("/v1/apikeys", headers=bearer).status_code == 200
    assert can_log_in("alice", PASSWORD)


# The last administrator


def test_the_last_administrator_is_not_deactivated_demoted_or_deleted(dora_client, dora, alice):
    demoted = dora_client.post(at(dora), {"username": "dora"})
    refused = [dora_client.post(at(dora, "deactivate/")), demoted, dora_client.post(at(dora, "delete/"))]

    assert [answer.status_code for answer in refused] == [409, 422, 422]
    for answer in refused:
        assert "only administrator" in page(answer).text
    dora.refresh_from_db()
    assert (dora.is_active, dora.is_superuser) == (True, True)
    assert page(refused[0]).find("main").find("a", href=USERS).text == "Go to Users"


def test_who_has_service_ids_that_nobody_can_take_over_is_told_before_a_deletion_what_to_do(dora_client, dora):
    service_ids.create_service_id(caller_for(dora), ServiceIdDraft("robot"))
    alone = page(dora_client.get(at(dora, "delete/")))
    make_person("ada", is_superuser=True)
    with_heir = page(dora_client.get(at(dora, "delete/")))

    assert "Make somebody else an administrator first" in alone.find("main").text
    assert not [button for button in alone.find_all("button") if button.text == "Delete user"]
    assert "Make somebody else" not in with_heir.text
    assert [button for button in with_heir.find_all("button") if button.text == "Delete user"]


@pytest.mark.parametrize("fields", [{"is_active": False}, {"is_superuser": False}])
def test_no_code_saves_the_last_administrator_away(dora, fields):
    for name, value in fields.items():
        setattr(dora, name, value)

    with pytest.raises(LastAdministrator):
        dora.save()
    with pytest.raises(LastAdministrator):
        dora.save(update_fields=[*fields])
    with pytest.raises(LastAdministrator), transaction.atomic():
        User.objects.filter(pk=dora.pk).delete()
    assert User.objects.get().is_superuser


def test_one_who_never_chose_a_password_is_no_other_administrator(dora_client, dora):
    invited = dora_client.post(CREATE, {"username": "erin", "is_superuser": "on"})
    refused = [dora_client.post(at(dora, "deactivate/")), dora_client.post(at(dora), {"username": "dora"})]

    assert [answer.status_code for answer in refused] == [409, 422]
    assert choose(code_in(invited)).status_code == 302
    assert dora_client.post(at(dora, "deactivate/")).status_code == 302


def test_one_of_two_administrators_may_go(dora, dora_client):
    other = make_person("erin", is_superuser=True)

    assert dora_client.post(at(other, "delete/")).status_code == 302
    with pytest.raises(LastAdministrator), transaction.atomic():
        dora.delete()


# Deleting


@pytest.fixture
def robot(alice):
    service = service_ids.create_service_id(caller_for(alice), ServiceIdDraft(Name("robot")))[0]
    return ServiceIdRecord.objects.get(id=service.id)


def test_the_question_says_what_is_deleted_and_what_becomes_of_the_rest(dora_client, dora, alice, alices_key, robot):
    asked = page(dora_client.get(at(alice, "delete/")))

    assert "1 API key is deleted for good" in asked.text
    assert "1 service ID is disabled and handed over" in asked.text
    assert [option["value"] for option in asked.find("select").find_all("option")] == [dora.iam_id]


def test_with_a_person_their_keys_go_and_service_ids_change_hands(dora_client, dora, alice, alices_key, robot):
    assert dora_client.post(at(alice, "delete/"), {"heir": dora.iam_id}).status_code == 302

    robot.refresh_from_db()
    assert not ApiKeyRecord.objects.exists()
    assert not User.objects.filter(username="alice").exists()
    assert (robot.managed_by, robot.disabled, robot.handed_over_from) == (dora.iam_id, True, "Alice Liddell")


def test_service_ids_go_to_nobody_but_an_active_administrator(dora, dora_client, alice, bob, robot):
    for heir in ("", bob.iam_id, alice.iam_id, "IBMid-NOBODYNOBO"):
        assert dora_client.post(at(alice, "delete/"), {"heir": heir}).status_code == 422
        with pytest.raises(InvalidApiKey):
            changes.delete(caller_for(dora), alice.iam_id, heir=heir)
    assert User.objects.filter(username="alice").exists()


# Audit


def test_each_change_of_a_person_is_audited_and_so_is_its_refusal(dora_client, dora, alice):
    dora_client.post(CREATE, {"username": "carol"})
    carol = User.objects.get(username="carol")
    dora_client.post(at(carol), {"username": "carol", "last_name": "C"})
    dora_client.post(at(carol, "deactivate/"))
    dora_client.post(at(carol, "link/"))
    dora_client.post(at(carol, "delete/"))
    dora_client.post(at(dora, "deactivate/"))
    log_in(alice).post(at(dora, "deactivate/"))

    events = AuditEvent.objects.filter(action__startswith="console.user.").order_by("event_time")
    told = [
        (event.action.rpartition(".")[2], event.initiator_name, event.target_name, event.reason) for event in events
    ]
    assert told == [
        ("create", "dora", "carol", ""),
        ("update", "dora", "carol", ""),
        ("update", "dora", "carol", ""),
        ("password", "dora", "carol", ""),
        ("delete", "dora", "carol", ""),
        ("update", "dora", "", "LastAdministrator"),
        ("update", "Alice Liddell", "", "NotAuthorized"),
    ]
    assert {event.target_id for event in events[:5]} == {carol.iam_id}


def test_old_links_are_forgotten(alice, dora_client):
    from console.people import links

    dora_client.post(at(alice, "link/"))
    links.forget_old()
    assert PasswordLink.objects.exists()
    PasswordLink.objects.update(ends_at=timezone.now() - links.KEPT - timedelta(seconds=1))
    links.forget_old()
    assert not PasswordLink.objects.exists()
