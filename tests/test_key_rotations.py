"""SECRET_KEY and peppers change: two consoles are restarted one after the other, and no request is refused."""

import io
import os
import stat
from collections import Counter
from dataclasses import dataclass, field

import pytest
from django.conf import settings as present
from django.core.management import CommandError, call_command
from django.test import Client, override_settings

from apikeys import audit
from apikeys.exceptions import InvalidApiKey
from apikeys.identity import peppers, signing
from apikeys.models import ApiKeyRecord, AuditEvent, PepperFingerprint
from apikeys.sealing import InvalidTag, seal_lasting, unseal_lasting
from apikeys.services import found_values, refusals
from apikeys.values import Peppers
from console import resealing
from console.env import read_private
from console.factors import second_step, totp
from console.factors.models import Authenticator
from console.secret_keys import SecretKeys, fault_of
from console.sessions import SessionStore
from tests.conftest import caller_for, log_in
from tests.programs import API_KEY_GRANT

pytestmark = pytest.mark.django_db

LIST = "/manage/security/apikeys/"
FIRST_KEY = "the first secret key, which is as long as it has to be or longer"
DAY = 24 * 60 * 60


def restarted() -> dict[str, object]:
    """Return the settings that a start reads from DATA_DIR."""
    keys = SecretKeys.read(present.SECRET_KEY_FILE)
    return {
        "SECRET_KEY": keys.current,
        "SECRET_KEY_FALLBACKS": keys.fallbacks,
        "APIKEYS_PEPPERS": Peppers.parse(read_private(present.PEPPERS_FILE, "peppers")),
    }


@dataclass
class Visit:
    """What a console gave to somebody who logged in, a program that showed a key, and a page with a proof in it."""

    browser: Client | None = None
    token: str = ""
    proof: str = ""


def is_read(person, proof: str) -> bool:
    try:
        return found_values._read(caller_for(person), proof)[0] == "key"
    except InvalidApiKey:
        return False


@dataclass
class Console:
    """One of two on a database; `refusals` are of requests that a console should have answered."""

    key: str = field(repr=False)
    held: dict[str, object] = field(repr=False)
    refusals: list[str] = field(default_factory=list)

    def restart(self) -> None:
        self.held = restarted()
        with override_settings(**self.held):
            peppers.save_fingerprints()
            assert not peppers.contradicted()  # or it would not start

    def visit(self, person, browser: Client, other: "Visit") -> "Visit":
        """Do what people and programs do, also with what another console gave just before; return what this gave."""
        signing._remembered.found.clear()  # another process has not seen the token
        with override_settings(**self.held):
            self.expect("session", browser.get(LIST).status_code == 200)
            if other.browser:
                bearer = {"Authorization": f"Bearer {other.token}"}
                self.expect("new session", other.browser.get(LIST).status_code == 200)
                self.expect("token", Client().get("/v1/apikeys", headers=bearer).status_code == 200)
                self.expect("proof", is_read(person, other.proof))
            answer = Client().post("/identity/token", {"grant_type": API_KEY_GRANT, "apikey": self.key})
            self.expect("key", answer.status_code == 200)
            refusals.write_uses(everything=True)  # which moves the key to what is the newest pepper here
            return Visit(
                log_in(person), answer.json().get("access_token", ""), found_values._proof(caller_for(person), "key", 1)
            )

    def expect(self, what: str, is_answered: bool) -> None:
        if not is_answered:
            self.refusals.append(what)


@pytest.fixture
def folder(tmp_path, settings):
    """DATA_DIR after the first start, whose secrets were generated."""
    settings.DATA_DIR = tmp_path
    settings.SECRET_KEY_FILE, settings.PEPPERS_FILE = tmp_path / "secret_key", tmp_path / "peppers"
    settings.SECRET_KEY_IS_GENERATED = settings.PEPPERS_ARE_GENERATED = True
    SecretKeys(FIRST_KEY).write(settings.SECRET_KEY_FILE)
    settings.PEPPERS_FILE.write_text(f"1:{'01' * 32}\n")
    settings.PEPPERS_FILE.chmod(0o600)
    PepperFingerprint.objects.all().delete()
    for name, text in restarted().items():
        setattr(settings, name, text)
    peppers.save_fingerprints()
    return tmp_path


@pytest.fixture
def consoles(folder, alice, create_key):
    value = create_key(alice).value
    return [Console(value, restarted()), Console(value, restarted())]


@pytest.fixture
def browser(folder, alice):
    """A browser in which Alice logged in before the rotation."""
    return log_in(alice)


def rotate(what: str, *options: str) -> str:
    out = io.StringIO()
    with override_settings(**restarted()):
        call_command(f"rotate_{what}", *options, stdout=out)
    return out.getvalue()


def roll(consoles, person, browser) -> None:
    """Restart one console after the other, and let people and programs come to both meanwhile, in turn."""
    given = Visit()
    for starting in [None, *consoles]:
        if starting is not None:
            starting.restart()
        for console in consoles:
            given = console.visit(person, browser, given)


def test_the_secret_key_changes_and_no_request_is_refused(consoles, alice, browser, settings):
    session = browser.cookies[settings.SESSION_COOKIE_NAME].value
    roll(consoles, alice, browser)
    published = signing.public_keys()

    rotate("secret_key")
    roll(consoles, alice, browser)
    rotate("secret_key")
    roll(consoles, alice, browser)

    assert [console.refusals for console in consoles] == [[], []]
    assert browser.cookies[settings.SESSION_COOKIE_NAME].value == session
    assert SecretKeys.read(settings.SECRET_KEY_FILE).former == (FIRST_KEY,)
    assert consoles[0].held["SECRET_KEY"] != FIRST_KEY
    with override_settings(**consoles[0].held):
        assert signing.public_keys() == published


@pytest.mark.parametrize(("what", "refused"), [("secret_key", {"new session", "proof"}), ("pepper", {"key"})])
def test_in_one_step_two_consoles_would_refuse_what_the_other_made(consoles, alice, browser, what, refused):
    rotate(what, "--at-once")

    roll(consoles, alice, browser)

    assert set(consoles[1].refusals) >= refused


def test_a_former_secret_key_is_forgotten_once_nothing_needs_it(consoles, alice, browser, settings):
    for _step in range(2):
        rotate("secret_key")
        roll(consoles, alice, browser)
    kids = [key["kid"] for key in signing.public_keys()]

    with pytest.raises(CommandError, match="Sessions that the former key made may last until"):
        rotate("secret_key", "--forget")
    made = settings.SECRET_KEY_FILE.stat().st_mtime - DAY
    os.utime(settings.SECRET_KEY_FILE, (made, made))
    rotate("secret_key", "--forget")
    with override_settings(**consoles[0].held):
        newer = log_in(alice)
    roll(consoles, alice, newer)

    assert [console.refusals for console in consoles] == [[], []]
    with override_settings(**restarted()):
        assert [key["kid"] for key in signing.public_keys()] == kids
        assert browser.get(LIST).status_code == 302
    assert FIRST_KEY not in settings.SECRET_KEY_FILE.read_text()
    assert rotate("secret_key", "--forget") == "There is no former key.\n"


def test_a_pepper_changes_and_no_key_is_refused(consoles, alice, browser, settings):
    roll(consoles, alice, browser)
    first = rotate("pepper")
    roll(consoles, alice, browser)
    stored = set(ApiKeyRecord.objects.values_list("pepper", flat=True))
    second = rotate("pepper")
    roll(consoles, alice, browser)

    assert [console.refusals for console in consoles] == [[], []]
    assert stored == {1}
    assert set(ApiKeyRecord.objects.values_list("pepper", flat=True)) == {2}
    assert "Pepper 2 is known, and nothing stored under it." in first
    assert "Pepper 2 is the newest." in second

    assert "Removed: 1." in rotate("pepper", "--forget")
    roll(consoles, alice, browser)
    assert [console.refusals for console in consoles] == [[], []]
    assert list(consoles[0].held["APIKEYS_PEPPERS"].by_number) == [2]


def test_a_pepper_that_a_key_needs_is_kept(consoles, settings):
    rotate("pepper", "--at-once")

    said = rotate("pepper", "--forget")

    assert said.startswith("Each pepper is needed")
    assert set(restarted()["APIKEYS_PEPPERS"].by_number) == {1, 2}


@pytest.mark.parametrize("what", ["secret_key", "pepper"])
def test_a_file_of_secrets_stays_its_owners_alone(folder, what, settings):
    path = {"secret_key": settings.SECRET_KEY_FILE, "pepper": settings.PEPPERS_FILE}[what]
    os.chown(path, 4711, 4711)

    said = rotate(what)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (path.stat().st_uid, path.stat().st_gid) == (4711, 4711)
    told = [secret for secret in path.read_text().replace(",", "\n").split() if len(secret) > 40 and secret in said]
    assert not told


@pytest.mark.parametrize("what", ["secret_key", "pepper"])
def test_secrets_from_settings_are_rotated_by_hand_in_the_same_steps(folder, what, settings):
    settings.SECRET_KEY_IS_GENERATED = settings.PEPPERS_ARE_GENERATED = False

    with pytest.raises(CommandError, match="is set:"):
        rotate(what)


def test_the_secret_of_an_app_outlives_the_key_that_sealed_it(alice, settings):
    settings.SECRET_KEY = FIRST_KEY
    Authenticator.objects.create(user=alice, sealed=totp.seal("A" * 32, alice), last_step=0)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = FIRST_KEY[::-1], [FIRST_KEY]

    assert totp.seal_again() == 1

    settings.SECRET_KEY_FALLBACKS = []
    assert totp.unseal(bytes(Authenticator.objects.get().sealed), alice) == ("A" * 32, False)


def test_a_second_step_that_began_under_a_former_key_goes_on(alice, settings, rf):
    settings.SECRET_KEY = FIRST_KEY
    request = rf.get("/")
    request.session = SessionStore()
    second_step.begin(request, alice, next_url="/", time_zone="")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = FIRST_KEY[::-1], [FIRST_KEY]

    person, _half = second_step.find(request)

    assert person == alice
    settings.SECRET_KEY_FALLBACKS = []
    assert second_step.find(request) is None


def test_each_rotation_is_an_audit_event(consoles):
    for _step in range(2):
        rotate("secret_key")
        rotate("pepper")
        for console in consoles:
            console.restart()
    rotate("signing_key")

    counted = Counter(AuditEvent.objects.values_list("action", flat=True))
    assert counted[audit.SECRET_KEY_UPDATE] == 2
    assert counted[audit.PEPPER_CREATE] == counted[audit.SIGNING_KEY_CREATE] == 1
    assert counted[audit.PEPPER_DELETE] == 0


def test_what_a_former_key_sealed_is_sealed_again_and_another_purpose_opens_nothing(settings, monkeypatch):
    settings.SECRET_KEY = FIRST_KEY
    sealed = seal_lasting(b"a secret", "purpose", "alice")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = FIRST_KEY[::-1], [FIRST_KEY]

    assert unseal_lasting(sealed, "purpose", "alice") == b"a secret"
    for purpose, bond in (("another", "alice"), ("purpose", "bob")):
        with pytest.raises(InvalidTag):
            unseal_lasting(sealed, purpose, bond)
    monkeypatch.setattr(resealing, "SEALED", [lambda: 2, lambda: 3])
    assert resealing.seal_again() == 5


@pytest.mark.parametrize(
    ("key", "fault"),
    [
        ("short", "is too short"),
        ("django-insecure-" + "q7ZxV2mTb9LwKc4RfYh8NjP3sDgE6uAa1oI0" * 2, "is one that Django made"),
        ("changeme" * 8, "is no random text"),
        ("x" * 64, "is no random text"),
        ("0123456789abcdef" * 4, "is no random text"),
    ],
)
def test_a_secret_key_that_others_may_know_is_refused(key, fault):
    assert fault_of(key).startswith(fault)
    assert fault_of(FIRST_KEY) == ""


@pytest.mark.parametrize(
    ("line", "why"),
    [("next:1:" + "01" * 32, "highest number"), (f"next:1:{'01' * 32},2:{'02' * 32}", "highest number")],
)
def test_a_pepper_that_is_to_come_comes_after_the_others(line, why):
    with pytest.raises(ValueError, match=why):
        Peppers.parse(line)


def test_a_line_of_peppers_is_read_as_it_was_written():
    line = f"1:{'01' * 32},next:2:{'02' * 32}"

    assert Peppers.parse(line).line() == line
    assert Peppers.parse(line).newest == 1
    assert "0202" not in repr(Peppers.parse(line))
