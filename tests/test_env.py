"""Settings from the environment: what is read, and the sentence that stops the start when it is nonsense."""

import secrets
import stat
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier

import pytest
from django.core.exceptions import ImproperlyConfigured

from console.env import (
    default_url,
    env_bool,
    env_choice,
    env_hosts,
    env_int,
    env_issuer,
    env_list,
    env_public_keys,
    env_public_url,
    env_secret,
    env_secrets,
    env_str,
    read_private,
    stored_secret,
)

pytestmark = pytest.mark.once


def refusal_of(read, *arguments, **keywords) -> str:
    with pytest.raises(ImproperlyConfigured) as caught:
        read(*arguments, **keywords)
    return str(caught.value)


@pytest.fixture
def private_file(tmp_path):
    def make(text: str | bytes, mode: int = 0o600):
        path = tmp_path / "secret.txt"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(mode)
        return path

    return make


# Plain values


@pytest.mark.parametrize("text", [None, "", "  ", "\t\n"])
def test_unset_and_blank_both_mean_the_default(monkeypatch, text):
    monkeypatch.delenv("NAME", raising=False)
    if text is not None:
        monkeypatch.setenv("NAME", text)

    assert env_str("NAME", "default") == "default"
    assert env_bool("NAME", True) is True
    assert env_bool("NAME", False) is False
    assert env_int("NAME", 7, low=1, high=9) == 7
    assert env_choice("NAME", "a", ("a", "b")) == "a"
    assert env_list("NAME", ["default"]) == ["default"]
    assert env_secret("NAME") == ""


def test_surrounding_white_space_is_no_part_of_a_value(monkeypatch):
    monkeypatch.setenv("NAME", "  true\n")

    assert env_str("NAME") == "true"
    assert env_bool("NAME", False) is True


@pytest.mark.parametrize(("text", "number"), [("1", 1), ("80", 80), ("00080", 80), ("65535", 65535)])
def test_a_number_within_its_bounds_is_read(monkeypatch, text, number):
    monkeypatch.setenv("PORT", text)

    assert env_int("PORT", 8000, low=1, high=65535) == number


switch = partial(env_bool, default=False)
port = partial(env_int, default=8000, low=1, high=65535)
level = partial(env_choice, default="INFO", choices=("DEBUG", "INFO"))
NO_SWITCHES = ["yes", "no", "1", "0", "on", "True", "TRUE", "False", "true false", "wahr"]
NO_PORTS = ["0", "65536", "-1", "+1", "1.5", "1e3", "0x10", "1_000", "８０", "²", "eighty", "80 80", "9" * 5000]


@pytest.mark.parametrize(
    ("read", "text", "advice"),
    [
        *((switch, text, "use 'true' or 'false'.") for text in NO_SWITCHES),
        *((port, text, "use a whole number from 1 to 65535.") for text in NO_PORTS),
        (level, "debug", "use 'DEBUG' or 'INFO'."),
    ],
)
def test_anything_but_a_switch_a_number_within_its_bounds_or_a_word_named_is_refused(monkeypatch, read, text, advice):
    monkeypatch.setenv("NAME", text)

    assert refusal_of(read, "NAME") == f"NAME='{text}': {advice}"


def test_a_list_has_no_blank_parts(monkeypatch):
    monkeypatch.setenv("ALLOWED_HOSTS", " a.example ,, b.example, ")

    assert env_list("ALLOWED_HOSTS", []) == ["a.example", "b.example"]


@pytest.mark.parametrize("text", ['"/srv/console"', "'/srv/console'", ' "true" '])
def test_quotation_marks_that_no_shell_took_off_are_refused(monkeypatch, text):
    monkeypatch.setenv("NAME", text)

    sentence = f"NAME={text.strip()}: leave out the quotation marks."
    assert refusal_of(env_str, "NAME") == sentence
    assert refusal_of(env_int, "NAME", 1, low=0, high=9) == sentence
    assert refusal_of(env_list, "NAME", []) == sentence


# Host names and addresses


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("console.example.com", ["console.example.com"]),
        (" Console.Example.COM. , 127.0.0.1", ["console.example.com", "127.0.0.1"]),
        ("::1,[::1]", ["[::1]", "[::1]"]),
        ("2001:DB8:0::7", ["[2001:db8::7]"]),
        (".example.com", [".example.com"]),
        ("*", ["*"]),
        ("xn--bcher-kva.example", ["xn--bcher-kva.example"]),
    ],
)
def test_host_names_are_read_as_django_compares_them(monkeypatch, text, names):
    monkeypatch.setenv("ALLOWED_HOSTS", text)

    assert env_hosts("ALLOWED_HOSTS", ["localhost"]) == names


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("https://console.example.com", "https://console.example.com"),
        ("console.example.com:8000", "console.example.com:8000"),
        ("[::1]:8000", "[::1]:8000"),
        ("127.0.0.1,console.example.com/keys", "console.example.com/keys"),
        ("a.example b.example", "a.example b.example"),
        ('["a.example", "b.example"]', '["a.example"'),
        ("'a.example',b.example", "'a.example'"),
        ("*.example.com", "*.example.com"),
        ("bücher.example", "bücher.example"),
        ("my_console", "my_console"),
        ("a..example", "a..example"),
        ("fe80::1%eth0", "fe80::1%eth0"),
    ],
)
def test_what_no_browser_sends_as_a_name_is_refused(monkeypatch, text, part):
    monkeypatch.setenv("ALLOWED_HOSTS", text)

    assert refusal_of(env_hosts, "ALLOWED_HOSTS", []) == (
        f"ALLOWED_HOSTS: {part!r} is not a host name. Use names separated by commas, without scheme, port or "
        "quotation marks: console.example.com,127.0.0.1"
    )


@pytest.mark.parametrize(
    "text", ["https://console.example.com", "http://console.test:8080", "https://[2001:db8::7]:8443", "http://10.0.0.7"]
)
def test_a_public_address_is_taken_with_and_without_a_slash(monkeypatch, text):
    monkeypatch.setenv("PUBLIC_URL", f"{text}/")

    assert env_public_url("PUBLIC_URL", "") == text


@pytest.mark.parametrize(
    "text",
    [
        "console.example.com", "console.example.com:8000", "ftp://console.example.com", "//console.example.com",
        "https://console.example.com/keys", "https://console.example.com?a=b", "https://console.example.com#a",
        "https://alice:pw@console.example.com", "https://", "https://:8000", "https://console.example.com:port",
        "https://console.example.com:99999", "https://console example.com", "http://0.0.0.0:8000", "http://[::]:8000",
    ],
)  # fmt: skip
def test_a_public_address_that_programs_cannot_use_is_refused(monkeypatch, text):
    monkeypatch.setenv("PUBLIC_URL", text)

    assert refusal_of(env_public_url, "PUBLIC_URL", "") == (
        "PUBLIC_URL: use an address such as https://console.example.com. "
        "The console needs a host name of its own: it cannot live under a path."
    )


@pytest.mark.parametrize(
    ("host", "names", "https", "url"),
    [
        ("127.0.0.1", ["localhost"], False, "http://localhost:8000"),
        ("::1", ["localhost"], False, "http://localhost:8000"),
        ("0.0.0.0", ["localhost", "127.0.0.1"], False, "http://localhost:8000"),  # noqa: S104
        ("::", [".lan", "console.lan"], False, "http://console.lan:8000"),
        ("::", ["*"], False, "http://localhost:8000"),
        ("192.0.2.7", ["localhost"], False, "http://192.0.2.7:8000"),
        ("2001:db8::7", ["localhost"], False, "http://[2001:db8::7]:8000"),
        ("0.0.0.0", ["*", ".example.com", "console.example.com"], True, "https://console.example.com"),  # noqa: S104
    ],
)
def test_programs_are_told_an_address_that_they_can_connect_to(monkeypatch, host, names, https, url):
    monkeypatch.delenv("PUBLIC_URL", raising=False)

    assert env_public_url("PUBLIC_URL", default_url(host, 8000, names, https=https)) == url


@pytest.mark.parametrize("names", [["*"], [".example.com"]])
def test_behind_a_proxy_a_pattern_of_names_is_no_address_for_programs(monkeypatch, names):
    monkeypatch.delenv("PUBLIC_URL", raising=False)

    assert refusal_of(env_public_url, "PUBLIC_URL", default_url("127.0.0.1", 8000, names, https=True)) == (
        "PUBLIC_URL: ALLOWED_HOSTS has no name that programs could use, so set PUBLIC_URL."
    )


@pytest.mark.parametrize("text", ['{"octocat": "not PEM"}', '{"octocat": ""}'])
def test_a_key_of_reports_that_is_no_key_is_refused_at_the_start(monkeypatch, text):
    monkeypatch.setenv("LEAK_REPORT_KEYS", text)

    assert refusal_of(env_public_keys, "LEAK_REPORT_KEYS") == (
        "LEAK_REPORT_KEYS: the key 'octocat' is not PEM text of a P-256 public key."
    )


# Secrets


OPEN = "is open to other users. Run: chmod 600 {path}"


def test_a_secret_in_quotation_marks_is_refused_unless_it_was_always_taken_so(monkeypatch):
    monkeypatch.setenv("PASSWORD", "'correct horse battery staple'")

    assert refusal_of(env_secret, "PASSWORD") == "PASSWORD stands in quotation marks: leave them out."
    assert env_secret("PASSWORD", may_be_quoted=True) == "'correct horse battery staple'"


def test_a_secret_comes_from_the_variable_or_the_first_line_of_a_private_file_not_from_both(monkeypatch, private_file):
    monkeypatch.setenv("PASSWORD", " from the variable ")
    by_variable = env_secret("PASSWORD")
    monkeypatch.setenv("PASSWORD_FILE", str(private_file("from the file \r\nsecond line\n")))
    by_both = refusal_of(env_secret, "PASSWORD")
    monkeypatch.delenv("PASSWORD")
    by_file = env_secret("PASSWORD")

    assert (by_variable, by_file) == ("from the variable", "from the file")
    assert by_both == "PASSWORD and PASSWORD_FILE are both set: use one of them."


def test_several_secrets_have_blanks_between_them_or_lines_of_their_own(monkeypatch, private_file):
    none = env_secrets("SECRETS")
    monkeypatch.setenv("SECRETS", "one  two")
    by_variable = env_secrets("SECRETS")
    monkeypatch.delenv("SECRETS")
    monkeypatch.setenv("SECRETS_FILE", str(private_file("one\r\n\n two \n")))
    by_file = env_secrets("SECRETS")

    assert (none, by_variable, by_file) == ([], ["one", "two"], ["one", "two"])


@pytest.mark.parametrize(("name", "why"), [("nowhere", "No such file or directory."), (".", "Is a directory.")])
def test_a_secret_file_that_is_missing_or_a_folder_is_named(monkeypatch, tmp_path, name, why):
    path = tmp_path / name
    monkeypatch.setenv("PASSWORD_FILE", str(path))

    assert refusal_of(env_secret, "PASSWORD") == f"PASSWORD_FILE: {path} can't be read: {why}"


@pytest.mark.parametrize(
    ("content", "mode", "why"),
    [
        *((content, 0o600, "is empty.") for content in ("", "\n", "  \nsecond line")),
        (b"\xff\xfe\x00secret", 0o600, "can't be read: it is not text."),
        *(("very secret", mode, OPEN) for mode in (0o604, 0o602, 0o601, 0o644, 0o666, 0o777)),
    ],
)
def test_a_secret_file_without_a_first_line_of_text_or_open_to_others_is_refused(private_file, content, mode, why):
    path = private_file(content, mode)

    assert refusal_of(read_private, path, "PASSWORD_FILE") == f"PASSWORD_FILE: {path} {why.format(path=path)}"


@pytest.mark.parametrize("mode", [0o640, 0o620, 0o610, 0o440])
def test_a_secret_file_that_an_orchestrator_opened_to_a_group_needs_a_setting(monkeypatch, private_file, mode):
    path = private_file("very secret", mode)

    sentence = refusal_of(read_private, path, "PASSWORD_FILE")
    monkeypatch.setenv("SECRET_FILES_OPEN_TO_GROUP", "true")

    cure = ", or set SECRET_FILES_OPEN_TO_GROUP=true if its group is the console's own"
    assert sentence == f"PASSWORD_FILE: {path} {OPEN.format(path=path)}{cure}"
    assert read_private(path, "PASSWORD_FILE") == "very secret"


def test_a_setting_for_groups_opens_nothing_to_others(monkeypatch, private_file):
    monkeypatch.setenv("SECRET_FILES_OPEN_TO_GROUP", "true")

    assert "is open to other users" in refusal_of(read_private, private_file("very secret", 0o644), "PASSWORD_FILE")


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_secret_file_of_its_owner_alone_is_read(private_file, mode):
    assert read_private(private_file("very secret\n", mode), "PASSWORD_FILE") == "very secret"


# Stored secrets


def test_the_first_start_makes_the_secret_and_later_ones_read_it(tmp_path):
    path = tmp_path / "pepper"

    first = stored_secret(path, lambda: "made at the first start")
    second = stored_secret(path, lambda: pytest.fail("made a second time"))

    assert first == second == "made at the first start"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {*tmp_path.iterdir()} == {path, tmp_path / "lock"}, "no draft is left behind"


def test_twenty_starts_at_once_end_with_one_secret(tmp_path):
    path, barrier = tmp_path / "pepper", Barrier(20)

    def start(_index: int) -> str:
        barrier.wait()
        return stored_secret(path, lambda: secrets.token_hex(32))

    with ThreadPoolExecutor(20) as pool:
        found = set(pool.map(start, range(20)))

    assert found == {path.read_text().strip()}
    assert {*tmp_path.iterdir()} == {path, tmp_path / "lock"}, "no draft is left behind"


def test_a_stored_secret_that_was_opened_to_others_is_refused(tmp_path):
    path = tmp_path / "pepper"
    stored_secret(path, lambda: "secret")
    path.chmod(0o644)

    sentence = refusal_of(stored_secret, path, lambda: "another")

    assert sentence == f"pepper: {path} {OPEN.format(path=path)}"


def test_a_secret_that_cannot_be_stored_stops_the_start(tmp_path):
    path = tmp_path / "no such folder" / "pepper"

    assert refusal_of(stored_secret, path, lambda: "secret") == f"{path} can't be written: No such file or directory."


def test_no_refusal_repeats_a_secret(monkeypatch, private_file):
    path = private_file("very secret", 0o644)
    monkeypatch.setenv("PASSWORD_FILE", str(path))
    sentences = [refusal_of(env_secret, "PASSWORD"), refusal_of(stored_secret, path, lambda: "very secret")]

    monkeypatch.setenv("PASSWORD", "very secret")
    sentences.append(refusal_of(env_secret, "PASSWORD"))

    assert not [sentence for sentence in sentences if "very secret" in sentence]


@pytest.mark.parametrize(
    "issuer",
    [
        "https://login.example.com",
        "https://login.example.com/",
        "https://login.example.com:8443/realms/staff",
        "http://127.0.0.1:9000/o",
        "http://localhost:9000",
    ],
)
def test_an_issuer_is_taken_to_the_letter(monkeypatch, issuer):
    monkeypatch.setenv("ISSUER", issuer)

    assert env_issuer("ISSUER") == issuer


@pytest.mark.parametrize(
    "issuer",
    [
        "login.example.com",
        "http://login.example.com",
        "https://user:secret@login.example.com",
        "https://login.example.com?realm=staff",
        "https://login.example.com/#staff",
        "https:///staff",
        "https://login.example.com/a b",
        "https://[::1",
        f"https://login.example.com/{'x' * 255}",
    ],
)
def test_what_is_no_issuer_is_refused(monkeypatch, issuer):
    monkeypatch.setenv("ISSUER", issuer)

    assert refusal_of(env_issuer, "ISSUER").endswith("such as https://login.example.com/realms/staff.")
