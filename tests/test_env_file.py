"""The file .env: what is read from it, and the sentence that stops the start when a line has no meaning."""

import re
import stat
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from console.env_file import SETTINGS, read_env_file
from tests.server import ROOT

pytestmark = pytest.mark.once

ENVIRONMENT = {"HOME": "/home/alice", "SECRET_KEY": "from the environment"}


@pytest.fixture
def env_file(tmp_path):
    """Write .env and return what is read from it."""

    def read(text: str | bytes) -> dict[str, str]:
        path = tmp_path / ".env"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(0o600)
        return read_env_file(path, ENVIRONMENT)

    return read


def refusal_of(read, text) -> str:
    with pytest.raises(ImproperlyConfigured) as caught:
        read(text)
    return str(caught.value)


# Who may read it


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        ("SECRET_KEY=a-key", "SECRET_KEY"),
        ("METRICS_TOKEN='a token'", "METRICS_TOKEN"),
        ("DATABASE_URL=postgresql://alice:a-password@db.example/keys", "DATABASE_URL"),
        ("CONSOLE_ADMIN_PASSWORD=a password", "CONSOLE_ADMIN_PASSWORD"),
    ],
)
@pytest.mark.parametrize(("mode", "then"), [(0o644, 0o600), (0o640, 0o600), (0o604, 0o600), (0o444, 0o400)])
def test_a_file_with_a_secret_that_others_may_read_is_closed(tmp_path, line, secret, mode, then):
    path = tmp_path / ".env"
    path.write_text(f"PORT=9000\n{line}\n")
    path.chmod(mode)

    with pytest.warns(UserWarning, match=rf"holds a secret \({secret}\) and was open to other users") as warned:
        found = read_env_file(path, ENVIRONMENT)

    assert stat.S_IMODE(path.stat().st_mode) == then
    assert found["PORT"] == "9000"
    assert "a-" not in str(warned[0].message)
    read_env_file(path, ENVIRONMENT)  # and says nothing any more


@pytest.mark.parametrize(
    "line",
    [
        "PORT=9000",
        "SECRET_KEY=",
        "DATABASE_URL=sqlite:////srv/keys.sqlite3",
        "SECRET_KEY_FILE=/srv/key",
        "#SECRET_KEY=a",
    ],
)
def test_a_file_without_a_secret_may_be_read_by_anybody(tmp_path, line):
    path = tmp_path / ".env"
    path.write_text(f"{line}\n")
    path.chmod(0o644)

    read_env_file(path, ENVIRONMENT)

    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_group_may_read_it_where_a_setting_says_so(tmp_path):
    path = tmp_path / ".env"
    path.write_text("SECRET_FILES_OPEN_TO_GROUP=true\nSECRET_KEY=a-key\n")
    path.chmod(0o640)

    read_env_file(path, ENVIRONMENT)

    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_somebody_elses_file_with_a_secret_that_others_may_read_is_refused(tmp_path, monkeypatch):
    path = tmp_path / ".env"
    path.write_text("SECRET_KEY=a-key\n")
    path.chmod(0o644)
    monkeypatch.setattr(Path, "chmod", lambda *_arguments: (_ for _ in ()).throw(PermissionError(1, "not permitted")))

    said = refusal_of(lambda text: read_env_file(path, ENVIRONMENT), "")

    assert said.startswith(f"{path} holds a secret (SECRET_KEY) and is open to other users. Run: chmod 600 {path}")
    assert "a-key" not in said


# What is read


def test_no_file_sets_nothing(tmp_path):
    assert read_env_file(tmp_path / ".env", ENVIRONMENT) == {}


def test_comments_blank_lines_quotation_marks_and_export_are_understood(env_file):
    found = env_file('# a comment\n\nPORT=9000 # the port\r\nexport HOST="127.0.0.1"\nDATA_DIR=\nWORKERS = 3\n')

    assert found == {"PORT": "9000", "HOST": "127.0.0.1", "DATA_DIR": "", "WORKERS": "3"}


def test_a_mark_of_the_encoding_is_no_part_of_the_first_name(env_file):
    assert env_file(b"\xef\xbb\xbfDEBUG=true\n") == {"DEBUG": "true"}


@pytest.mark.parametrize(
    ("line", "read"),
    [
        ("DATA_DIR=${HOME}/console", "/home/alice/console"),
        ('DATA_DIR="${HOME}/console"', "/home/alice/console"),
        ("DATA_DIR='${HOME}/console'", "${HOME}/console"),
        ("export DATA_DIR = '${HOME}/console'", "${HOME}/console"),
        ("DATA_DIR=$HOME/console", "$HOME/console"),
        ("DATA_DIR=${NOWHERE:-/srv}/console", "/srv/console"),
    ],
)
def test_variables_are_replaced_except_inside_single_quotes(env_file, line, read):
    assert env_file(line) == {"DATA_DIR": read}


def test_a_line_may_use_one_above_it_whose_name_is_no_setting(env_file):
    assert env_file("BASE=/srv\nDATA_DIR=${BASE}/console\n") == {"BASE": "/srv", "DATA_DIR": "/srv/console"}


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("ALOWED_HOSTS=a.example", "ALLOWED_HOSTS"),
        ("allowed_hosts=a.example", "ALLOWED_HOSTS"),
        ("Debug=true", "DEBUG"),
        ("DATA-DIR=/srv", "DATA_DIR"),
        ("PUBLIC_URI=https://a.example", "PUBLIC_URL"),
        ("APIKEYS_PEPPER=1:ab", "APIKEYS_PEPPERS"),
        ("TRUSTED_PROXY=1", "TRUSTED_PROXIES"),
    ],
)
def test_a_misspelt_name_is_refused_with_the_right_one(env_file, line, meant):
    name = line.partition("=")[0]

    assert refusal_of(env_file, f"\n# hosts\n\n{line}\n") == (
        f".env, line 4: {name} is not a setting. Did you mean {meant}?"
    )


@pytest.mark.parametrize(
    "name",
    ["HTTPS_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "PGSSLROOTCERT", "APIKEYS_URL", "IBMCLOUD_API_KEY", "HOME"],
)
def test_a_name_of_another_program_is_passed_on_with_a_warning(env_file, name):
    with pytest.warns(UserWarning, match=f".env, line 1: {name} is not a setting of the console."):
        found = env_file(f"{name}=something\n")

    assert found == {name: "something"}


@pytest.mark.parametrize("line", ["PORT", "PORT: 9000", "DATA_DIR='/srv", 'DATA_DIR="/srv', "=9000", "some words"])
def test_a_line_without_a_meaning_is_refused_with_its_number(env_file, line):
    assert refusal_of(env_file, f"DEBUG=false\n\n{line}\n") == (
        ".env, line 3: write NAME=value, and close each quotation mark that is opened."
    )


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-16-le", "utf-32"])
def test_a_file_in_another_encoding_is_refused(env_file, tmp_path, encoding):
    sentence = refusal_of(env_file, "CONSOLE_BRAND=Schlüssel\n".encode(encoding))

    assert sentence == f"{tmp_path / '.env'} is not UTF-8 text: save it in UTF-8."


def test_a_folder_in_the_place_of_the_file_is_refused(tmp_path):
    (tmp_path / ".env").mkdir()

    with pytest.raises(ImproperlyConfigured, match="can't be read: Is a directory"):
        read_env_file(tmp_path / ".env", ENVIRONMENT)


def test_the_known_names_are_those_of_the_example_and_of_the_documentation():
    example = re.findall(r"^#([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    rows = re.findall(r"^\| `([A-Z_]+)`(.*?)\|", (ROOT / "docs/configuration.md").read_text(), re.MULTILINE)
    documented = [name for name, more in rows] + [f"{name}_FILE" for name, more in rows if "_FILE" in more]

    assert sorted(SETTINGS) == sorted(example) == sorted(documented)


def test_the_known_names_are_those_that_the_console_reads():
    code = "".join(path.read_text() for path in (ROOT / "console").rglob("*.py"))
    calls = re.findall(r'\b(env_\w+)\(\s*"([A-Z_]+)"', code)
    read = {name for _reader, name in calls} | {
        f"{name}_FILE" for reader, name in calls if reader.startswith("env_secret")
    }

    assert set(SETTINGS) == read
