"""Where the database is: in DATA_DIR whatever its name, or where DATABASE_URL says."""

import sqlite3
from contextlib import closing
from urllib.parse import quote

import pytest
from django.core.exceptions import ImproperlyConfigured

from console.database import (
    POSTGRESQL,
    SERVER_OPTIONS,
    USE_FILE,
    USE_HOSTS,
    USE_POSTGRESQL,
    USE_READ_WRITE,
    USE_THRESHOLD,
    database,
    refuse_misplaced,
)
from tests.cast import ADMIN
from tests.http_person import HttpPerson
from tests.server import ConsoleServer

ODD_NAMES = ["a#b", "a?b", "a?b=c", "100%25", "%41", "a b", "a\tb", "ä:;&=+$,", "[::1]", "file:a"]


def refusal_of(url: str, file) -> str:
    with pytest.raises(ImproperlyConfigured) as caught:
        database(url, file)
    return str(caught.value)


def make_database(path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE key (id)")


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_path_is_no_url(tmp_path, name):
    file = tmp_path / name / "console.sqlite3"

    assert database("", file)["NAME"] == str(file)
    refuse_misplaced(file)


@pytest.mark.sqlite
def test_a_console_in_a_folder_with_an_odd_name_keeps_everything_there(tmp_path):
    data_dir = tmp_path / "a#b?c%41"
    with ConsoleServer(data_dir) as console, HttpPerson(console.url) as person:
        person.log_in(*ADMIN)

    assert (data_dir / "console.sqlite3").stat().st_size
    assert {path.suffix for path in tmp_path.iterdir() if path != data_dir} == {".log"}


@pytest.mark.parametrize("copied", [False, True])
@pytest.mark.parametrize(
    ("name", "elsewhere"),
    [("a#b", "a"), ("a?b", "a"), ("%41", "A/console.sqlite3"), ("a\tb", "ab/console.sqlite3")],
)
def test_a_database_that_an_earlier_version_put_elsewhere_is_told(tmp_path, name, elsewhere, copied):
    file = tmp_path / name / "console.sqlite3"
    (tmp_path / name / "static").mkdir(parents=True)
    make_database(tmp_path / elsewhere)
    if copied:
        file.touch()  # what a backup of a file that is not there leaves behind

    with pytest.raises(ImproperlyConfigured) as caught:
        refuse_misplaced(file)

    assert str(caught.value).startswith(
        f"The database is in {tmp_path / elsewhere}, where an earlier version put it, and belongs in {file}. "
    )


def test_once_it_is_moved_the_start_goes_on(tmp_path):
    (tmp_path / "%41" / "static").mkdir(parents=True)
    make_database(tmp_path / "%41" / "console.sqlite3")
    make_database(tmp_path / "A" / "console.sqlite3")

    refuse_misplaced(tmp_path / "%41" / "console.sqlite3")


def test_the_database_of_another_console_is_nobodys_concern_at_a_first_start(tmp_path):
    (tmp_path / "%41").mkdir()
    make_database(tmp_path / "A" / "console.sqlite3")

    refuse_misplaced(tmp_path / "%41" / "console.sqlite3")


# DATABASE_URL


@pytest.mark.parametrize(
    ("url", "file"),
    [
        *(
            (f"sqlite:////srv/{quote(name)}/keys.sqlite3", f"/srv/{name}/keys.sqlite3")
            for name in ODD_NAMES
            if name != "a\tb"
        ),
        ("sqlite:////srv/keys.sqlite3?timeout=20", "/srv/keys.sqlite3"),  # an option of other programs
        ("sqlite:///keys.sqlite3", "keys.sqlite3"),  # in the folder of the process
    ],
)
def test_a_url_names_a_file_with_its_characters_encoded(tmp_path, monkeypatch, url, file):
    monkeypatch.chdir(tmp_path)

    assert database(url, tmp_path)["NAME"] == str(tmp_path / file)


USE_CODES = (
    "DATABASE_URL: '#' and '?' end the path of a URL, so it names the file /srv/a. Write %23 and %3F instead, "
    "or leave it out."
)
REFUSED = {
    USE_CODES: ["sqlite:////srv/a#b/keys.sqlite3", "sqlite:////srv/a?b/keys.sqlite3"],
    USE_FILE: ["sqlite://", "sqlite:///", "sqlite://:memory:", "sqlite:///:memory:", "sqlite://a/b"],
    USE_POSTGRESQL: [
        "postgresql://user:5ec2e7@host:port/keys", "postgresql://user:5ec2e7@host", "postgresql://user:5ec2e7@host/",
        "postgis://user:5ec2e7@host/keys", "mysql://user:5ec2e7@host/keys", "keys", "http://host/keys",
        "postgresql://user:5ec2e7@[host/keys", "postgresql://user:5ec2e7@a,b", "mysql://user:5ec2e7@a,b/keys",
    ],
    USE_HOSTS: [
        "postgresql://user:5ec2e7@a,,b/keys", "postgresql://user:5ec2e7@a,/keys", "postgresql://user:5ec2e7@a:x,b/keys",
        "postgresql://user:5ec2e7@a:0,b/keys", "postgresql://user:5ec2e7@a:65536,b/keys",
        "postgresql://user:5ec2e7@::1,::2/keys", "postgresql://user:5ec2e7@[::1,[::2]/keys",
        "postgresql://user:5ec2e7@a b,c/keys",
    ],
    USE_READ_WRITE: [
        f"postgresql://user:5ec2e7@{hosts}/keys?target_session_attrs={attributes}"
        for hosts in ("a", "a,b") for attributes in ("any", "standby", "read-write&target_session_attrs=any", "1")
    ],
    USE_THRESHOLD: ["postgresql://user:5ec2e7@host/keys?prepare_threshold=never"],
}  # fmt: skip


@pytest.mark.parametrize(("sentence", "url"), [(sentence, url) for sentence in REFUSED for url in REFUSED[sentence]])
def test_a_url_of_no_database_or_of_another_than_it_seems_is_refused_without_repeating_it(tmp_path, sentence, url):
    assert refusal_of(url, tmp_path) == sentence


def test_a_url_of_a_server_is_taken_apart(tmp_path):
    found = database("postgresql://console:p%40ss@db.example.com/keys?sslmode=require", tmp_path)

    assert {name: found[name] for name in ("ENGINE", "HOST", "USER", "PASSWORD", "NAME", "OPTIONS")} == {
        "ENGINE": POSTGRESQL, "HOST": "db.example.com", "USER": "console", "PASSWORD": "p@ss",
        "NAME": "keys", "OPTIONS": SERVER_OPTIONS | {"sslmode": "require"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("hosts", "host", "port"),
    [
        ("a:5433,b:5434", "a,b", "5433,5434"),
        ("a,b", "a,b", "5432,5432"),
        ("a,b:5433,c", "a,b,c", "5432,5433,5432"),
        ("[::1]:5433,[fd00::2]", "::1,fd00::2", "5433,5432"),
        ("%2Frun%2Fpostgresql,b", "/run/postgresql,b", "5432,5432"),
    ],
)
def test_several_servers_are_named_as_libpq_names_them(tmp_path, hosts, host, port):
    found = database(f"postgresql://console:p%40,ss@{hosts}/keys?connect_timeout=1", tmp_path)

    assert {name: found[name] for name in ("HOST", "PORT", "USER", "PASSWORD", "NAME", "OPTIONS")} == {
        "HOST": host, "PORT": port, "USER": "console", "PASSWORD": "p@,ss", "NAME": "keys",
        "OPTIONS": SERVER_OPTIONS | {"connect_timeout": 1},
    }  # fmt: skip
