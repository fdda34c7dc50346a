"""A start with settings that make no sense, or that would lose keys, ends with a sentence and no server."""

import functools
import os
import secrets
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from console.management.commands import serve
from tests.cast import ADMIN
from tests.http_person import HttpPerson
from tests.server import ROOT, ConsoleServer, free_port

pytestmark = pytest.mark.once

SETTINGS = (
    "ACCOUNTS_URL", "ALLOWED_HOSTS", "APIKEYS_", "AUDIT_", "CONNECTIONS", "CONSOLE_", "DATABASE_", "DATA_DIR", "DEBUG",
    "DJANGO_SETTINGS_MODULE", "EMAIL_", "HOST", "HTTPS", "IAM_URL", "IDLE_", "LEAK_", "LOGIN_", "LOG_", "METRICS_",
    "PASSWORD_GRANT", "PORT", "PUBLIC_URL", "TOKEN_", "SECRET_", "SESSION", "THREADS", "TRUSTED_PROXIES", "WORKERS",
    "OIDC_", "REAUTHENTICATE_", "SECOND_",
)  # fmt: skip
USE_POSTGRESQL = "DATABASE_URL: use postgresql://user:password@host/name, or leave it out."
NO_DEBUGGING = (
    "DEBUG=true behind a proxy, or with ALLOWED_HOSTS of others than this machine: debug pages show secrets, use it "
    "without HTTPS, TRUSTED_PROXIES and ALLOWED_HOSTS."
)
USE_AN_ADDRESS = "IAM_URL: use an address such as https://iam.cloud.ibm.com."
USE_LETTERS = "use a letter, then up to 5 more letters, digits or underscores."
GROUP = "or set SECRET_FILES_OPEN_TO_GROUP=true if its group is the console's own"
SHOW = """
import django
from django.conf import settings
django.setup()
print(eval({expression!r}))
"""


@dataclass(frozen=True)
class Outcome:
    code: int
    said: str

    @property
    def last_line(self) -> str:
        return self.said.strip().rpartition("\n")[2]


@pytest.fixture
def data_dir(tmp_path) -> Path:
    return tmp_path / "data"


def run_with(data_dir: Path, *arguments: str, **environment: str) -> Outcome:
    """Run Python with the console's real settings and these variables only."""
    clean = {name: text for name, text in os.environ.items() if not name.startswith(SETTINGS)}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=clean | {"DATA_DIR": str(data_dir), "DJANGO_SETTINGS_MODULE": "console.settings"} | environment,
        capture_output=True,
        text=True,
    )
    return Outcome(done.returncode, done.stdout + done.stderr)


@pytest.fixture
def run(data_dir):
    return functools.partial(run_with, data_dir)


@pytest.fixture(scope="module")
def first_start(tmp_path_factory) -> Path:
    """The data folder that a first start leaves behind."""
    folder = tmp_path_factory.mktemp("first") / "data"
    outcome = run_with(folder, "manage.py", "migrate")
    assert outcome.code == 0, outcome.said
    return folder


@pytest.fixture
def used(first_start, data_dir) -> Path:
    """A data folder of this test's own, after a first start."""
    return shutil.copytree(first_start, data_dir)


@pytest.fixture
def show(run):
    """Start Django and return the value of an expression of its settings."""

    def evaluate(expression: str, **environment: str) -> str:
        outcome = run("-W", "error", "-c", SHOW.format(expression=expression), **environment)
        assert outcome.code == 0, outcome.said
        return outcome.last_line

    return evaluate


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"DEBUG": "yes"}, "DEBUG='yes': use 'true' or 'false'."),
        ({"HOST": "console.example.com"}, "HOST='console.example.com': use an address such as 127.0.0.1 or 0.0.0.0."),
        (
            {"DEBUG": "true", "HOST": "0.0.0.0"},  # noqa: S104
            "DEBUG=true with HOST='0.0.0.0': debug pages show secrets, use it on 127.0.0.1 only.",
        ),
        (
            {"HTTPS": "true", "TRUSTED_PROXIES": "0"},
            "HTTPS=true needs a proxy in front that ends TLS: TRUSTED_PROXIES=1 or more.",
        ),
        ({"DEBUG": "true", "ALLOWED_HOSTS": "console.example.com,localhost"}, NO_DEBUGGING),
        ({"DEBUG": "true", "HTTPS": "true"}, NO_DEBUGGING),
        ({"DEBUG": "true", "TRUSTED_PROXIES": "1"}, NO_DEBUGGING),
        (
            {"SECRET_KEY_FALLBACKS": "changeme"},
            "SECRET_KEY_FALLBACKS has one that is too short: use 50 random characters or more.",
        ),
        ({"METRICS_TOKEN": "changeme" * 4}, "METRICS_TOKEN: use 32 random characters or more, letters and digits."),
        ({"DATABASE_URL": "mysql://user:secret@db.example.com/keys"}, USE_POSTGRESQL),
        ({"DATABASE_URL": "keys"}, USE_POSTGRESQL),
        ({"PORT": "80000"}, "PORT='80000': use a whole number from 1 to 65535."),
        ({"APIKEYS_BACKEND": "vault"}, "APIKEYS_BACKEND='vault': use 'embedded' or 'ibm-cloud'."),
        ({"IAM_URL": "iam.cloud.ibm.com"}, USE_AN_ADDRESS),
        ({"IAM_URL": "https://iam.cloud.ibm.com/identity"}, USE_AN_ADDRESS),
        ({"IAM_URL": "https://alice:pw@iam.cloud.ibm.com"}, USE_AN_ADDRESS),
        ({"IAM_URL": "https://iam.cloud.ibm.com:port"}, USE_AN_ADDRESS),
        ({"IAM_URL": "http://iam.cloud.ibm.com"}, "IAM_URL: use https://, because passwords go there."),
        ({"ACCOUNTS_URL": "http://10.0.0.1"}, "ACCOUNTS_URL: use https://, because passwords go there."),
        ({"APIKEYS_PREFIX": "-apk"}, f"APIKEYS_PREFIX='-apk': {USE_LETTERS}"),
        ({"APIKEYS_PREFIX": "mycompany_"}, f"APIKEYS_PREFIX='mycompany_': {USE_LETTERS}"),
        ({"SECRET_KEY": "too short"}, "SECRET_KEY is too short: use 50 random characters or more."),
        (
            {"SECRET_KEY": "changeme" * 8},
            "SECRET_KEY is no random text: use 50 random characters or more, or leave it out.",
        ),
        (
            {"SECRET_KEY": f"django-insecure-{'q7ZxV2mTb9LwKc4RfYh8NjP3sDgE6uAa1oI0' * 2}"},
            "SECRET_KEY is one that Django made for trying: generate one that nobody else has, or leave it out.",
        ),
        (
            {"APIKEYS_PEPPERS": "1:5ec2e75ec2e7"},
            "APIKEYS_PEPPERS: pepper 1 is too short: use 64 hexadecimal digits or more.",
        ),
        ({"DATA_DIR": "/dev/null/data"}, "DATA_DIR='/dev/null/data' can't be made: Not a directory."),
        ({"DATA_DIR": '"/srv/console"'}, 'DATA_DIR="/srv/console": leave out the quotation marks.'),
        (
            {"ALLOWED_HOSTS": "https://console.example.com"},
            "ALLOWED_HOSTS: 'https://console.example.com' is not a host name. Use names separated by commas, without "
            "scheme, port or quotation marks: console.example.com,127.0.0.1",
        ),
        (
            {"PUBLIC_URL": "https://example.com/keys"},
            "PUBLIC_URL: use an address such as https://console.example.com. "
            "The console needs a host name of its own: it cannot live under a path.",
        ),
        (
            {"LEAK_REPORT_KEYS": '{"octocat": "PEM"}'},
            "LEAK_REPORT_KEYS: the key 'octocat' is not PEM text of a P-256 public key.",
        ),
        (
            {"DATABASE_URL": "sqlite:///:memory:"},
            "DATABASE_URL: use sqlite:///file, sqlite:////folder/file, or leave it out.",
        ),
        (
            {"SECOND_FACTOR": "everybody", "APIKEYS_BACKEND": "ibm-cloud"},
            "SECOND_FACTOR='everybody': with APIKEYS_BACKEND=ibm-cloud the upstream IAM asks for second factors.",
        ),
        ({"METRICS_TOKEN": "short"}, "METRICS_TOKEN: use 32 random characters or more, letters and digits."),
        (
            {"TOKEN_AUDIENCE": "all services"},
            "TOKEN_AUDIENCE='all services': use at most 255 letters, digits and signs without blanks.",
        ),
        (
            {"APIKEYS_BACKEND": "ibm-cloud", "SECOND_FACTOR": "everybody"},
            "SECOND_FACTOR='everybody': with APIKEYS_BACKEND=ibm-cloud the upstream IAM asks for second factors.",
        ),
        ({"LOG_FORMAT": "xml"}, "LOG_FORMAT='xml': use 'text' or 'json'."),
        (
            {"OIDC_ISSUER": "http://login.example.com"},
            "OIDC_ISSUER='http://login.example.com': use the issuer as the provider writes it, such as "
            "https://login.example.com/realms/staff.",
        ),
        (
            {"OIDC_ISSUER": "https://login.example.com"},
            "OIDC_ISSUER needs OIDC_CLIENT_ID: what the provider calls this console.",
        ),
        (
            {"OIDC_ONLY": "true"},
            "OIDC_ONLY is set, and OIDC_ISSUER is not: single sign-on needs both, or none.",
        ),
        (
            {"OIDC_ISSUER": "https://login.example.com", "OIDC_CLIENT_ID": "console", "OIDC_SCOPES": "email"},
            "OIDC_SCOPES: use scopes with blanks between them, openid among them.",
        ),
        (
            {
                "OIDC_ISSUER": "https://login.example.com",
                "OIDC_CLIENT_ID": "console",
                "PUBLIC_URL": "http://console.example.com",
            },
            "OIDC_ISSUER needs a PUBLIC_URL with https://, because codes come there.",
        ),
        (
            {"OIDC_ISSUER": "https://login.example.com", "APIKEYS_BACKEND": "ibm-cloud"},
            "OIDC_ISSUER: with APIKEYS_BACKEND=ibm-cloud people log in at the upstream IAM.",
        ),
        (
            {"AUDIT_LOG": "audit.log"},
            "AUDIT_LOG='audit.log': use stdout, stderr or the absolute path of a file in a folder that exists.",
        ),
        ({"WEBHOOKS_CA_FILE": "/nowhere.pem"}, "WEBHOOKS_CA_FILE='/nowhere.pem': there is no such file."),
        ({"WEBHOOKS_HTTP": "yes"}, "WEBHOOKS_HTTP='yes': use 'true' or 'false'."),
        (
            {"WEBHOOKS_ALLOWED_NETWORKS": "10.0.0.1/8"},
            "WEBHOOKS_ALLOWED_NETWORKS: 10.0.0.1/8 has bits beyond its prefix. The network is 10.0.0.0/8.",
        ),
        ({"AUDIT_EXCHANGES": "true"}, "AUDIT_EXCHANGES=true needs AUDIT_LOG: exchanges are lines there, and no rows."),
        (
            {"EMAIL_URL": "mail.example.com:secret"},
            "EMAIL_URL: use smtp://user:password@host:587 for STARTTLS, smtps://user:password@host:465 for TLS from "
            "the first byte, smtp+plain://localhost:25 for a server on this machine, file:///folder or console:.",
        ),
        (
            {"EMAIL_URL": "smtp+plain://mail.example.com"},
            "EMAIL_URL: smtp+plain:// is for a server on this machine only; use smtp://.",
        ),
        ({"EMAIL_URL": "smtp://mail.example.com"}, "EMAIL_URL needs EMAIL_FROM, the address that mails are from."),
        (
            {"EMAIL_URL": "console:", "EMAIL_FROM": "nobody"},
            "EMAIL_FROM='nobody': use an address such as apikeys@example.com, or API keys <apikeys@example.com>.",
        ),
        (
            {"EMAIL_URL": "console:", "APIKEYS_BACKEND": "ibm-cloud"},
            "EMAIL_URL: with APIKEYS_BACKEND=ibm-cloud the upstream IAM tells people of their keys.",
        ),
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL='loud': use 'DEBUG' or 'INFO' or 'WARNING' or 'ERROR'."),
    ],
)
def test_a_start_with_nonsense_ends_with_a_sentence(run, environment, sentence):
    outcome = run("-c", "import django; django.setup()", **environment)

    assert outcome.code == 1
    assert outcome.last_line == f"django.core.exceptions.ImproperlyConfigured: {sentence}"


def test_the_sentence_repeats_no_secret(run):
    outcomes = [
        run("-c", "import django; django.setup()", APIKEYS_PEPPERS="1:5ec2e75ec2e7"),
        run("-c", "import django; django.setup()", SECRET_KEY="5ec2e75ec2e7"),
        run("-c", "import django; django.setup()", DATABASE_URL="mysql://user:5ec2e75ec2e7@db.example.com/keys"),
    ]

    assert [outcome.code for outcome in outcomes] == [1, 1, 1]
    assert not [outcome for outcome in outcomes if "5ec2e7" in outcome.said]


@pytest.mark.parametrize("command", ["check", "migrate", "serve"])
def test_every_command_refuses_nonsense(run, command):
    outcome = run("manage.py", command, DEBUG="yes")

    assert outcome.code != 0
    assert outcome.last_line.endswith("DEBUG='yes': use 'true' or 'false'.")


def test_the_first_start_makes_its_secrets_for_its_owner_alone(first_start):
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (first_start, *first_start.iterdir())}

    assert modes.pop("data") == modes.pop("static") == 0o700
    assert {"secret_key", "peppers", "console.sqlite3"} <= set(modes)
    assert set(modes.values()) == {0o600}


def test_the_second_start_has_the_secrets_of_the_first(show):
    first = show("(settings.SECRET_KEY, settings.APIKEYS_PEPPERS.fingerprint(1))")

    second = show("(settings.SECRET_KEY, settings.APIKEYS_PEPPERS.fingerprint(1))")

    same = first == second
    assert same


@pytest.mark.parametrize("name", ["peppers", "secret_key"])
def test_a_start_is_refused_when_others_can_read_a_secret(run, used, name):
    (used / name).chmod(0o640)

    outcome = run("-c", "import django; django.setup()")

    assert outcome.code == 1
    assert outcome.last_line.endswith(f"{used / name} is open to other users. Run: chmod 600 {used / name}, {GROUP}")


def test_peppers_may_live_in_a_file_elsewhere(show, data_dir, tmp_path):
    path = tmp_path / "peppers elsewhere"
    path.write_text(f"4:{'ab' * 32}\n")
    path.chmod(0o600)

    shown = show("settings.APIKEYS_PEPPERS.newest", APIKEYS_PEPPERS_FILE=str(path))

    assert shown == "4"
    assert not (data_dir / "peppers").exists()


# Peppers and the keys made with them


def test_the_check_is_silent_with_the_peppers_that_keys_were_made_with(run, used):
    outcome = run("manage.py", "check", "--database", "default")

    assert outcome.code == 0, outcome.said


@pytest.mark.parametrize("loss", ["exchanged", "renumbered"])
def test_a_start_is_refused_when_the_peppers_are_not_those_keys_were_made_with(run, used, loss):
    peppers = used / "peppers"
    if loss == "exchanged":
        peppers.write_text(f"1:{secrets.token_hex(32)}\n")
    else:
        peppers.write_text(peppers.read_text().replace("1:", "2:", 1))

    check = run("manage.py", "check", "--database", "default")
    worker = run("-c", "import console.wsgi")

    sentence = "Pepper 1 is missing or is not the one that stored keys were made with"
    assert check.code == worker.code == 1
    assert sentence in check.said
    assert sentence in worker.said
    assert "Restore DATA_DIR/peppers or APIKEYS_PEPPERS from your backup." in check.said


def test_lost_peppers_are_not_made_anew_beside_a_database(run, used):
    (used / "peppers").unlink()

    outcome = run("manage.py", "check")

    assert outcome.code == 1
    assert "peppers is missing" in outcome.said
    assert "Restore it from your backup." in outcome.said
    assert not (used / "peppers").exists()


def test_the_server_says_that_its_peppers_are_wrong_before_it_says_where_it_is(run, used):
    (used / "peppers").write_text(f"1:{secrets.token_hex(32)}\n")

    outcome = run("manage.py", "serve", PORT=str(free_port()), WORKERS="1")

    assert outcome.code != 0
    assert outcome.said.count("Pepper 1 is missing or is not the one that stored keys were made with") == 1
    assert "The console is at" not in outcome.said
    assert "Password:" not in outcome.said


def test_a_pepper_may_be_added(run, used):
    old = (used / "peppers").read_text().strip()
    (used / "peppers").write_text(f"{old},2:{secrets.token_hex(32)}\n")

    outcomes = [
        run("manage.py", command, *more) for command, *more in (["migrate"], ["check", "--database", "default"])
    ]

    assert [outcome.code for outcome in outcomes] == [0, 0], outcomes


# Defaults and switches


def test_a_bare_checkout_has_safe_defaults(show, data_dir):
    shown = show(
        "(settings.DEBUG, settings.HOST, settings.PORT, settings.ALLOWED_HOSTS, settings.TRUSTED_PROXIES,"
        " settings.SESSION_COOKIE_SECURE, settings.DATABASES['default']['ENGINE'],"
        " settings.DATABASES['default']['NAME'], settings.APIKEYS_PREFIX, settings.APIKEYS_PER_IDENTITY)"
    )

    assert shown == repr(
        (
            False, "127.0.0.1", 8000, ["localhost", "127.0.0.1", "[::1]"], 0,
            False, "console.sqlite",
            str(data_dir / "console.sqlite3"), "apk_", None,
        )
    )  # fmt: skip


def test_blank_variables_are_as_good_as_none(show, data_dir):
    shown = show(
        "(settings.DATABASES['default']['NAME'], settings.PORT, settings.APIKEYS_PREFIX)",
        DATABASE_URL="", PORT="", APIKEYS_PREFIX="", APIKEYS_PEPPERS="", SECRET_KEY="", ALLOWED_HOSTS="",
    )  # fmt: skip

    assert shown == repr((str(data_dir / "console.sqlite3"), 8000, "apk_"))


def test_https_turns_everything_on(show):
    shown = show(
        "(settings.SECURE_SSL_REDIRECT, settings.SECURE_HSTS_SECONDS, settings.SECURE_HSTS_INCLUDE_SUBDOMAINS,"
        " settings.SECURE_HSTS_PRELOAD, settings.SESSION_COOKIE_SECURE, settings.SESSION_COOKIE_NAME,"
        " settings.TRUSTED_PROXIES)",
        HTTPS="true",
        HOST="0.0.0.0",  # noqa: S104
        ALLOWED_HOSTS="console.example.com",
    )

    assert shown == repr((True, 63_072_000, True, True, True, "__Host-session", 1))


@pytest.mark.parametrize(
    ("host", "names", "url"),
    [
        ("::", ["localhost", "127.0.0.1", "[::1]"], "http://localhost:8000"),
        ("192.0.2.7", ["localhost", "127.0.0.1", "[::1]", "192.0.2.7"], "http://192.0.2.7:8000"),
        ("2001:db8::7", ["localhost", "127.0.0.1", "[::1]", "[2001:db8::7]"], "http://[2001:db8::7]:8000"),
    ],
)
def test_the_address_that_programs_are_told_is_one_that_is_answered(run, host, names, url):
    code = SHOW.format(expression="(settings.ALLOWED_HOSTS, settings.PUBLIC_URL)")

    outcome = run("-W", "ignore", "-c", code, HOST=host)

    assert outcome.last_line == repr((names, url))


def test_plain_http_on_another_host_works_but_says_what_it_costs(run):
    outcome = run(
        "-c",
        SHOW.format(expression="(settings.SESSION_COOKIE_SECURE, settings.SESSION_COOKIE_NAME)"),
        HOST="0.0.0.0",  # noqa: S104
    )

    assert outcome.code == 0
    assert "(False, 'session')" in outcome.said
    assert "HOST=0.0.0.0 without HTTPS=true: passwords and session cookies cross the network in clear." in outcome.said


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1.2.3", "::1"])
def test_plain_http_on_this_machine_has_plain_cookies_and_no_warning(run, host):
    outcome = run(
        "-c", SHOW.format(expression="(settings.SESSION_COOKIE_SECURE, settings.CSRF_COOKIE_NAME)"), HOST=host
    )

    assert outcome.code == 0
    assert "(False, 'csrf')" in outcome.said
    assert "in clear" not in outcome.said


def test_a_database_server_is_one_variable(show):
    shown = show(
        "[settings.DATABASES['default'][name] for name in ('ENGINE', 'HOST', 'NAME', 'USER')]",
        DATABASE_URL="postgresql://console:secret@db.example.com/keys",
    )

    assert shown == repr(["console.postgresql", "db.example.com", "keys", "console"])


@pytest.mark.parametrize(
    ("host", "shown"),
    [("127.0.0.1", "http://localhost:8000"), ("::1", "http://localhost:8000"), ("192.0.2.7", "http://192.0.2.7:8000")],
)
def test_a_server_on_this_machine_prints_a_name_because_passkeys_need_one(settings, host, shown):
    settings.HOST, settings.PORT = host, 8000

    assert serve.where() == shown


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])  # noqa: S104
def test_a_server_on_every_address_prints_one_that_a_browser_can_open(data_dir, host):
    with ConsoleServer(data_dir, HOST=host, PYTHONWARNINGS="ignore") as console:
        assert f"The console is at http://localhost:{console.port}, on every address of this machine" in console.log
        assert (data_dir / "address").read_text() == f"http://localhost:{console.port}\n", "for links of commands"


def test_people_of_another_iam_are_no_reason_to_make_no_administrator(data_dir):
    with ConsoleServer(data_dir, APIKEYS_BACKEND="ibm-cloud", IAM_URL=f"http://127.0.0.1:{free_port()}") as console:
        console.run_python(
            "from console.log_in_pages.iam import person_of\n"
            "from apikeys.upstream.login import LoginResult\n"
            "person_of(LoginResult(None, 'IBMid-ANNA', 'Alice', 'alice@example.com', ''))"
        )
        before = console.run_python("from console.models import User\nprint(User.objects.count())")

    with ConsoleServer(data_dir) as here, HttpPerson(here.url) as person:
        person.log_in(*ADMIN)

    assert before.splitlines()[-1] == "1"
