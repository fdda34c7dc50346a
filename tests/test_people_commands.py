"""What an operator does with people by manage.py, as administrators do on the pages."""

import errno
import io
import re
import stat
from urllib.parse import urlsplit

import pytest
from django.core.management import BaseCommand, CommandError, call_command, load_command_class
from django.test import Client

from apikeys.models import AuditEvent
from console import server_address as address
from console.models import PasswordLink, User
from tests.cast import PASSWORD
from tests.conftest import make_person
from tests.log_ins import can_log_in
from tests.server import ROOT, ConsoleServer
from tests.threads import at_once

NEW_PASSWORD = "a sentence that nobody else types"
COMMANDS = ("create_user", "promote", "demote", "deactivate", "reactivate", "reset_factors", "reset_password")


def run(*arguments: str, stdout=None) -> list[str]:
    """Return the lines of standard output, and of standard error after them."""
    output, beside = stdout or io.StringIO(), io.StringIO()
    call_command(*arguments, stdout=output, stderr=beside)
    return [*output.getvalue().splitlines(), *beside.getvalue().splitlines()]


def choose(link: str) -> int:
    """Choose a password by a link, and return the status."""
    form = {"code": link, "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
    return Client().post("/password/choose/", form).status_code


def events() -> list[tuple[str, str, str, str]]:
    found = AuditEvent.objects.exclude(action__startswith="console.login.").order_by("event_time")
    return [(event.action, event.target_name, event.reason, event.initiator_id) for event in found]


# Links


@pytest.mark.django_db
def test_who_is_created_chooses_a_password_by_the_link(settings):
    settings.PUBLIC_URL = "https://keys.example.com"

    link, told = run("create_user", "carol", "--first-name", "Carol", "--email", "carol@example.com", "--no-keys")

    carol = User.objects.get()
    assert urlsplit(link)._replace(fragment="").geturl() == "https://keys.example.com/password/choose/"
    assert told == "With this link carol chooses a password. It works once, and ends after a day."
    assert (str(carol), carol.email, carol.is_superuser, carol.may_create_keys) == (
        "Carol",
        "carol@example.com",
        False,
        False,
    )
    assert [choose(link), choose(link)] == [302, 409]
    assert can_log_in("carol", NEW_PASSWORD)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("is_given", "begins"), [(False, "http://localhost:9000/password/"), (True, "http://localhost:8000/password/")]
)
def test_a_link_names_the_server_that_was_started_last_unless_the_command_is_told_an_address(
    settings, tmp_path, is_given, begins
):
    settings.DATA_DIR, settings.PUBLIC_URL = tmp_path, "http://localhost:9000"
    address.note()
    settings.PUBLIC_URL, settings.ADDRESS_IS_GIVEN = "http://localhost:8000", is_given

    link, _told = run("create_user", "carol")

    assert link.startswith(begins)
    assert stat.S_IMODE((tmp_path / "address").stat().st_mode) == 0o600


def test_without_a_server_that_was_started_a_link_names_what_the_settings_say(settings, tmp_path):
    settings.DATA_DIR, settings.PUBLIC_URL = tmp_path, "http://localhost:8000"
    missing = address.known()
    (tmp_path / "address").write_bytes(b"\xff")

    assert missing == address.known() == "http://localhost:8000"


@pytest.mark.django_db
def test_an_operator_creates_an_administrator():
    run("create_user", "erin", "--administrator")

    assert User.objects.get().is_superuser


@pytest.mark.django_db
def test_a_password_works_until_another_one_is_chosen_by_the_latest_link(alice):
    [earlier, _told], [link, _told] = run("reset_password", "alice"), run("reset_password", "alice")

    assert can_log_in("alice", PASSWORD)
    assert [choose(earlier), choose(link)] == [409, 302]
    assert [can_log_in("alice", PASSWORD), can_log_in("alice", NEW_PASSWORD)] == [False, True]


@pytest.mark.django_db
@pytest.mark.parametrize("command", ["create_user", "reset_password"])
def test_a_link_in_a_file_is_for_its_owner_only_and_nowhere_else(alice, tmp_path, command):
    file = tmp_path / "link"

    said = run(command, "alice" if command == "reset_password" else "carol", "--link-file", str(file))

    [link] = file.read_text().splitlines()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not [line for line in said if link.partition("#")[2] in line]
    assert choose(link) == 302


@pytest.mark.django_db
def test_without_a_file_there_is_no_link_and_without_a_link_no_file(alice, tmp_path):
    there, new = tmp_path / "there", tmp_path / "new"
    there.write_text("mine")

    with pytest.raises(CommandError, match="already exists"):
        run("reset_password", "alice", "--link-file", str(there))
    for command, user_id in (("reset_password", "nobody"), ("create_user", "alice")):
        with pytest.raises(CommandError):
            run(command, user_id, "--link-file", str(new))

    assert there.read_text() == "mine"
    assert not new.exists()
    assert not PasswordLink.objects.exists()


class FullDisk(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.django_db
def test_a_link_that_can_not_be_written_is_told_with_how_to_get_another_one():
    with pytest.raises(CommandError) as refused:
        run("create_user", "carol", stdout=FullDisk())

    told = "The link could not be written: No space left on device. For another one: manage.py reset_password carol"
    assert str(refused.value) == told
    assert User.objects.filter(username="carol").exists()


@pytest.mark.django_db
def test_the_link_of_somebody_deactivated_opens_nothing_until_that_ends(alice, dora):
    run("deactivate", "alice")
    link, _what, told = run("reset_password", "alice")

    assert told == "alice is deactivated: until that ends the link opens nothing."
    assert choose(link) == 409
    run("reactivate", "alice")
    assert choose(link) == 302


# What people may do


@pytest.mark.django_db
def test_a_person_is_made_an_administrator_and_none(alice, dora):
    for command, is_one in (("promote", True), ("demote", False)):
        run(command, "alice")
        alice.refresh_from_db()
        assert (alice.is_superuser, alice.is_staff) == (is_one, is_one)


@pytest.mark.django_db
def test_who_is_deactivated_is_refused_until_that_ends(alice, dora):
    run("deactivate", "alice")
    assert not can_log_in("alice", PASSWORD)

    run("reactivate", "alice")
    assert can_log_in("alice", PASSWORD)


@pytest.mark.django_db
@pytest.mark.parametrize("command", ["demote", "deactivate"])
def test_the_last_administrator_stays_one(alice, dora, command):
    with pytest.raises(CommandError, match="the only administrator who can log in"):
        run(command, "dora")

    dora.refresh_from_db()
    assert (dora.is_superuser, dora.is_active) == (True, True)


@pytest.mark.django_db
@pytest.mark.parametrize("command", [command for command in COMMANDS if command != "create_user"])
def test_nobody_is_nobody(alice, command):
    with pytest.raises(CommandError, match="Nobody has the user ID Alice"):
        run(command, "Alice")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["alice"], "username: Somebody has this user ID already."),
        (["a b"], "username: Enter a valid username."),
        (["carol", "--email", "nowhere"], "email: Enter a valid email address."),
        (["carol", "--last-name", "a\u202eb"], "last_name: This contains an invisible character"),
    ],
)
def test_what_no_person_may_be_called_is_said(alice, arguments, sentence):
    with pytest.raises(CommandError) as refused:
        run("create_user", *arguments)

    assert str(refused.value).startswith(sentence)
    assert User.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("command", COMMANDS)
def test_a_console_whose_keys_are_elsewhere_has_no_people(alice, settings, command):
    settings.APIKEYS_BACKEND = "ibm-cloud"

    with pytest.raises(CommandError, match="People are where the keys are"):
        run(command, "alice")


# Audit


@pytest.mark.django_db
def test_each_change_is_audited_with_the_operator_as_who_made_it(dora):
    for command in COMMANDS:
        run(command, "carol")
    with pytest.raises(CommandError):
        run("demote", "dora")

    assert events() == [
        ("console.user.create", "carol", "", ""),
        *[("console.user.update", "carol", "", "")] * 4,
        ("console.factor.delete", "carol", "", ""),
        ("console.user.password", "carol", "", ""),
        ("console.user.update", "", "LastAdministrator", ""),
    ]
    made = AuditEvent.objects.all()
    assert {event.initiator_name.partition(" ")[0] for event in made} == {"operator"}
    assert {event.agent for event in made} == {"manage.py"}
    assert {link.made_by for link in PasswordLink.objects.all()} == {""}


# The document


def test_the_document_names_each_command_and_its_options():
    text = (ROOT / "docs" / "people.md").read_text()

    names = [*COMMANDS, "connect_user", "disconnect_user"]
    own = {name: load_command_class("console", name).create_parser("manage.py", name) for name in names}
    options = {option for parser in own.values() for option in parser._option_string_actions if option.startswith("--")}
    common = {*BaseCommand().create_parser("manage.py", "any")._option_string_actions}
    assert re.findall(r"`(\w+) USER(?: SUBJECT)?`", text) == names
    assert set(re.findall(r"`(--[a-z-]+)", text)) == options - common


# Two at once


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("rounds", range(5))
@pytest.mark.parametrize("commands", [("demote", "demote"), ("demote", "deactivate"), ("deactivate", "deactivate")])
def test_of_two_who_take_away_the_last_two_administrators_at_once_one_is_refused(dora, commands, rounds):
    make_person("erin", is_superuser=True)
    todo = [*zip(commands, ("dora", "erin"), strict=True)]

    outcomes = at_once(2, lambda: run(*todo.pop()))

    [refused] = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert "only administrator" in str(refused)
    assert User.objects.filter(is_superuser=True, is_active=True).count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_who_use_a_link_at_once_one_is_refused(alice):
    link = run("reset_password", "alice")[0]

    assert sorted(at_once(2, lambda: choose(link))) == [302, 409]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("rounds", range(5))
def test_a_link_that_is_used_while_another_one_is_made_works_or_has_ended(dora, rounds):
    link = run("reset_password", "dora")[0]
    todo = [lambda: choose(link), lambda: run("reset_password", "dora")]

    chosen, _made = sorted(at_once(2, lambda: todo.pop()()), key=lambda outcome: isinstance(outcome, list))

    assert chosen in (302, 409)
    assert PasswordLink.objects.get().used_at is None


def test_of_two_processes_that_demote_the_last_two_administrators_one_is_refused(tmp_path):
    with ConsoleServer(tmp_path / "data") as server:
        server.manage("create_user", "erin", "--administrator")

        todo = ["admin", "erin"]
        done = at_once(2, lambda: server.attempt("demote", todo.pop()))

        assert sorted(process.returncode for process in done) == [0, 1]
        assert server.sql("SELECT count(*) FROM console_user WHERE is_superuser AND is_active") == [(1,)]
