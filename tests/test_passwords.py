"""What may be a password: long enough and not easily guessed, wherever somebody chooses one."""

import io
import secrets
import time

import pytest
from django.contrib.auth.hashers import make_password
from django.contrib.auth.password_validation import password_validators_help_texts, validate_password
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.test import Client

from console.log_in import passwords
from console.management.commands import serve
from console.models import User
from tests.cast import PASSWORD
from tests.markup import page
from tests.second_factors import give_app

ALICE = User(username="alice.liddell", first_name="Alice", last_name="Liddell", email="alice@wonderland.example")

REPEATED = [
    "passwordpassword", "aaaaaaaaaaaaaaaaaaaa", "iloveyouiloveyou", "aaaaabbbbbcccccddddd", "11112222333344445555",
    "Passw0rd!Passw0rd!", "password password password",
    "ｐａｓｓｗｏｒｄｐａｓｓｗｏｒｄ", "密碼密碼密碼密碼密碼密碼密碼密碼",
    "a" * 5000, "abcd" * 1000,
]  # fmt: skip
ROWS = [
    "qwertyuiopasdfgh",
    "1qaz2wsx3edc4rfv",
    "!QAZ2wsx#EDC4rfv",
    "123456789012345",
    "abcdefghijklmnop",
    "0123456789abcdef",
]
COMMON = [
    "iloveyou1234567890", "letmeinplease123", "change me please", "thisismypassword", "P@ssword12345678",
    "correct horse battery staple", "CorrectHorseBatteryStaple1",
]  # fmt: skip
OF_ALICE = [
    "alice.liddell" * 6, "AliceLiddell1865", "alice alice alice alice", "@l1ce@l1ce@l1ce@l1ce",
    "lleddil.ecilalleddil.ecila", "alice@wonderland.example", "Wonderland Alice 1",
]  # fmt: skip
OF_THE_CONSOLE = [
    "IBM Cloud IBM Cloud", "API keys console API keys console", "apikeysconsole2024", "Acme Keys Acme Keys",
    "AcmeKeys12345678", "keys.acme.example", "localhost127.0.0.1", "administrator123",
]  # fmt: skip
GOOD = [
    "staple battery horse correct", "a sentence that nobody else types", "the cat sat on a purple piano",
    "tulip-anvil-quarry-seven", "Nobody expects my aunt's recipe", "我的密碼是很長的一句話真的很長喔",
    "Kx9!mQ2#vL7$pR4z", "hurvyz-6nomgU-cijjah", "3f2b8c1e-9d47-4a6b-b0e2-7c5a1d9e8f03", "ein Satz, 金鑰 & 🔑",
    "  blanks at both ends of it  ",
]  # fmt: skip


def refusal_of(password: str, person: User | None = ALICE) -> str:
    """Return the sentence that refuses a password, "" for one that is accepted."""
    try:
        passwords.check(password, person)
    except ValidationError as exc:
        [sentence] = exc.messages
        return sentence
    return ""


# Judged


@pytest.mark.parametrize("password", [*REPEATED, *ROWS, *COMMON, *OF_ALICE, *OF_THE_CONSOLE])
def test_what_is_easily_guessed_is_refused_however_long_it_is(settings, password):
    settings.CONSOLE_BRAND, settings.PUBLIC_URL = "Acme Keys", "https://keys.acme.example"
    assert len(password) >= passwords.MIN_LENGTH

    assert refusal_of(password)


@pytest.mark.parametrize("password", GOOD)
def test_a_sentence_and_what_a_password_manager_makes_are_accepted(password):
    assert refusal_of(password) == ""


@pytest.mark.parametrize("make", [lambda: secrets.token_urlsafe(18), lambda: secrets.token_hex(16)])
def test_generated_passwords_are_accepted(make):
    refused = [password for password in (make() for _ in range(50)) if refusal_of(password)]

    assert refused == []


@pytest.mark.parametrize(
    ("password", "says"),
    [
        (
            "fourteen chars",
            "Use 15 characters or more. A sentence of several words is long and easy to remember.",
        ),
        (
            "passwordpassword",
            "This password repeats itself, which makes it easy to guess. Use several different words.",
        ),
        (
            "abcdefghijklmnop",
            "This password follows the rows of a keyboard or of the alphabet. Use several words instead.",
        ),
        (
            "AliceLiddell1865",
            "Others can guess this password: it is made of your names or of this console's. Use several words that "
            "have nothing to do with either.",
        ),
        ("thisismypassword", "This password is easy to guess. Use several words that do not belong together."),
    ],
)
def test_the_sentence_says_what_to_do_instead_and_repeats_nothing_of_the_password(password, says):
    sentence = refusal_of(password)

    assert sentence == says
    assert password not in sentence


def test_what_is_no_character_is_judged_like_any_other():
    assert refusal_of("\ud800" * 20)


def test_names_count_for_the_person_who_has_them():
    grace = User(username="grace", first_name="Quxbrandt", last_name="Zyblinski")

    assert refusal_of("Quxbrandt Zyblinski", grace)
    assert refusal_of("Quxbrandt Zyblinski", ALICE) == ""


def test_the_words_of_somebody_are_names_hosts_and_what_they_are_made_of(settings):
    settings.PUBLIC_URL, settings.ALLOWED_HOSTS = "https://acme-schluessel.example:8000", ["Other.example"]
    settings.CONSOLE_BRAND, settings.APIKEYS_PREFIX = "", "apk_"

    words = passwords.words_of(User(username="al", first_name="Ab Abc", last_name="\u6771\u4eac", email="x@y.zz"))

    for known in ("abc", "ab abc", "ababc", "\u6771\u4eac", "acme-schluessel.example", "acme", "other", "console"):
        assert known in words, known
    for other in ("al", "ab", "zz", "8000", "xxxx"):
        assert other not in words, other
    settings.PUBLIC_URL = ""
    assert passwords.words_of(None)[: -len(passwords.KNOWN_SENTENCES)] == [
        *("api keys", "apikeys", "api", "keys", "api keys console", "apikeysconsole", "console", "administrator"),
        *("ibm cloud", "ibmcloud", "ibm", "cloud", "apk_", "apk", "other.example", "otherexample", "other", "example"),
    ]


def test_without_a_person_the_console_is_still_known():
    assert refusal_of("API keys console API keys console", None)
    assert refusal_of(GOOD[0], None) == ""


def test_fifteen_characters_are_needed_beside_a_second_factor_too(db, alice):
    give_app(alice)

    assert refusal_of("gK7#pQ2x-vT9!zL", alice) == ""
    assert refusal_of("gK7#pQ2x-vT9!z", alice).startswith("Use 15 characters or more.")


def test_one_good_end_of_a_long_password_is_enough():
    assert refusal_of("x" * 200 + " tulip anvil quarry seven") == ""
    assert refusal_of("tulip anvil quarry seven " + "x" * 200) == ""


@pytest.mark.parametrize("text", ["@4831lI!|$5" * 10_000, "\ufdfa" * 100_000, "aA4@" * 25_000])
def test_the_longest_password_takes_no_longer_to_judge_than_a_long_one(text):
    refusal_of("warm")
    began = time.perf_counter()

    refusal_of(text)

    assert time.perf_counter() - began < 1


def test_a_person_with_many_long_names_is_no_burden():
    person = User(
        username="a b c " * 25, first_name="word " * 30, last_name="x" * 150, email=f"{'a.b' * 80}@example.com"
    )

    assert len(passwords.words_of(person)) <= passwords.MAX_WORDS + len(passwords.KNOWN_SENTENCES)


# Wherever one is chosen


def test_it_is_what_django_asks():
    with pytest.raises(ValidationError):
        validate_password("passwordpassword", ALICE)
    with pytest.raises(ValidationError, match="made of your names"):
        validate_password("AliceLiddell1865", ALICE)

    validate_password(GOOD[0], ALICE)
    help_text = "Use 15 characters or more. A sentence works well. Common passwords are refused."
    assert password_validators_help_texts() == [help_text]


@pytest.mark.parametrize(
    ("weak", "sentence", "in_chinese"),
    [
        ("passwordpassword", "This password repeats itself", "這個密碼一再重複"),
        ("alice" * 6, "This password repeats itself", "這個密碼一再重複"),
        ("too short", "Use 15 characters or more.", "請使用 15 個字元以上。"),
    ],
)
def test_change_password_shows_the_one_sentence_in_the_readers_language(alice, weak, sentence, in_chinese):
    client = Client()
    client.force_login(alice)
    typed = {"old_password": PASSWORD, "new_password1": weak, "new_password2": weak}

    english = client.post("/password/", typed)
    chinese = client.post("/password/", typed, headers={"Accept-Language": "zh-Hant"})

    assert (english.status_code, chinese.status_code) == (422, 422)
    assert sentence in english.content.decode()
    assert in_chinese in page(chinese).find(id="id_new_password1-error").text
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)


def test_a_password_is_hashed_with_argon2id_at_the_price_that_is_documented(settings):
    assert make_password("a sentence").startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")
    assert settings.PASSWORD_HASHERS == ["console.log_in.auth.Argon2idHasher"]


def test_blanks_and_case_are_part_of_a_password(alice):
    client = Client()
    client.force_login(alice)
    chosen = "  Two Blanks before and after  "

    client.post("/password/", {"old_password": PASSWORD, "new_password1": chosen, "new_password2": chosen})

    alice.refresh_from_db()
    assert alice.check_password(chosen)
    assert not alice.check_password(chosen.strip())
    assert not alice.check_password(chosen.lower())


@pytest.mark.parametrize("given", ["root@example.com", ""])
def test_the_first_administrator_has_the_address_that_a_setting_gives(db, monkeypatch, given):
    monkeypatch.setenv("CONSOLE_ADMIN_EMAIL", given)

    serve.Command(stdout=io.StringIO()).first_administrator()

    assert User.objects.get().email == given


def test_the_first_administrator_is_not_made_with_what_is_no_address(db, monkeypatch):
    monkeypatch.setenv("CONSOLE_ADMIN_EMAIL", "root")

    with pytest.raises(CommandError, match="CONSOLE_ADMIN_EMAIL='root': Enter a valid email address"):
        serve.Command().first_administrator()

    assert not User.objects.exists()


def test_each_setting_of_the_first_administrator_that_is_wrong_is_named(db, monkeypatch):
    monkeypatch.setenv("CONSOLE_ADMIN_USER", "not a user ID")
    monkeypatch.setenv("CONSOLE_ADMIN_EMAIL", "root")

    with pytest.raises(CommandError, match=r"CONSOLE_ADMIN_USER='not a user ID': .* CONSOLE_ADMIN_EMAIL='root'"):
        serve.Command().first_administrator()


def test_an_administrator_of_a_command_has_no_user_id_of_somebody_else_in_other_letters(monkeypatch, alice):
    User.objects.update(username="stra\u00dfe", password=make_password(None))
    monkeypatch.setenv("CONSOLE_ADMIN_USER", "Strasse")
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", GOOD[0])

    with pytest.raises(CommandError, match="CONSOLE_ADMIN_USER='Strasse': Somebody has this user ID already"):
        serve.Command().first_administrator()
    with pytest.raises(CommandError, match="Somebody has this user ID already"):
        call_command("createsuperuser", interactive=False, username="STRASSE", email="dora@example.com")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("short", "CONSOLE_ADMIN_PASSWORD: Use 15 characters or more."),
        ("passwordpassword", "CONSOLE_ADMIN_PASSWORD: This password repeats itself"),
        ("rootrootrootroot", "CONSOLE_ADMIN_PASSWORD: This password repeats itself"),
        ("administrator of API keys", "CONSOLE_ADMIN_PASSWORD: "),
        ("Quillfeather Brindlewick", "CONSOLE_ADMIN_PASSWORD: "),
    ],
)
def test_the_first_administrator_gets_no_password_that_is_easily_guessed(db, monkeypatch, given, says):
    monkeypatch.setenv("CONSOLE_ADMIN_USER", "root")
    monkeypatch.setenv("CONSOLE_ADMIN_EMAIL", "quillfeather@brindlewick.example")
    monkeypatch.setenv("CONSOLE_ADMIN_PASSWORD", given)

    with pytest.raises(CommandError) as refused:
        serve.Command().first_administrator()

    assert says in str(refused.value)
    assert given not in str(refused.value)
    assert not User.objects.exists()


def test_the_password_that_is_generated_for_the_first_administrator_would_be_accepted(db, monkeypatch):
    monkeypatch.setenv("CONSOLE_ADMIN_PASSWORD", "")
    printed = io.StringIO()

    serve.Command(stdout=printed).first_administrator()

    [generated] = [line.split()[-1] for line in printed.getvalue().splitlines() if "Password:" in line]
    assert User.objects.get().check_password(generated)


def test_createsuperuser_takes_no_password_that_is_easily_guessed_from_its_variable(db, monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "passwordpassword")

    with pytest.raises(CommandError, match="DJANGO_SUPERUSER_PASSWORD: This password repeats itself"):
        call_command("createsuperuser", interactive=False, username="dora", email="dora@example.com")

    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", GOOD[0])
    call_command("createsuperuser", interactive=False, username="dora", email="dora@example.com", verbosity=0)
    assert User.objects.get().check_password(GOOD[0])
