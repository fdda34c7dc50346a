"""People and things that tests speak of: Alice owns a key, Bob is a stranger to it, Dora administers."""

import os
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.test import Client
from django.utils import timezone

from apikeys.domain import ApiKeyDraft, Caller, Identity, IssuedApiKey
from apikeys.iam import oauth
from apikeys.identity import tokens, users
from apikeys.services import creation
from apikeys.services.delivery import Delivery
from apikeys.web.forms import new_nonce
from tests.cast import PASSWORD
from tests.cli_person import logged_in, terminal, three_keys  # noqa: F401  (fixtures)
from tests.databases import SERVER
from tests.postgres import database_url, postgres  # noqa: F401  (fixtures)
from tests.programs import alices, bobs, doras, site, site_alice, site_bob, site_dora  # noqa: F401  (fixtures)
from tests.server import ConsoleServer
from tests.uses import nothing_counted  # noqa: F401  (a fixture)


@pytest.hookimpl(optionalhook=True)  # where pytest-xdist is not installed, nobody asks
def pytest_xdist_auto_num_workers() -> int:
    """Return how many tests run at once: three on two processors, because a third of the time they wait for servers."""
    return max(1, (os.cpu_count() or 1) * 3 // 2)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest; refuse a test that no part of `make test` would run."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
    if nowhere := [
        item.nodeid for item in items if {"once", "postgres"} <= {mark.name for mark in item.iter_markers()}
    ]:
        raise pytest.UsageError(f"Marked both once and postgres: {', '.join(nowhere)}")


@cache
def hashed_password() -> str:
    """Hash once what a thousand tests would hash each."""
    return make_password(PASSWORD)


def make_person(username: str, **fields: object):
    return get_user_model().objects.create(username=username, password=hashed_password(), **fields)


NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def at(monkeypatch) -> Callable[[datetime], None]:
    """Return what sets the clock; it begins at noon of a day, and stands still."""

    def set_to(moment: datetime) -> None:
        monkeypatch.setattr(timezone, "now", lambda: moment)
        monkeypatch.setattr(time, "time", moment.timestamp)

    set_to(NOON)
    return set_to


made_rsa_keys: dict[tuple[int, int], list[rsa.RSAPrivateKey]] = defaultdict(list)
generate_rsa_key = rsa.generate_private_key


@pytest.fixture(autouse=True)
def rsa_keys_of_before(monkeypatch):
    """Give each test the RSA keys that tests of this process had before, in their order: to make one takes a second."""
    given = Counter[tuple[int, int]]()

    def give(public_exponent: int, key_size: int) -> rsa.RSAPrivateKey:
        kind = public_exponent, key_size
        given[kind] += 1
        if given[kind] > len(made_rsa_keys[kind]):
            made_rsa_keys[kind].append(generate_rsa_key(public_exponent, key_size))
        return made_rsa_keys[kind][given[kind] - 1]

    monkeypatch.setattr(rsa, "generate_private_key", give)


@pytest.fixture
def alice(db):
    return make_person("alice", first_name="Alice", last_name="Liddell", email="alice@example.com")


@pytest.fixture
def bob(db):
    """His user ID tests escaping wherever it is shown."""
    return make_person("o'neill<b>&\"")


@pytest.fixture
def dora(db):
    return make_person("dora", is_staff=True, is_superuser=True)


def log_in(person) -> Client:
    client = Client()
    client.force_login(person)
    return client


@pytest.fixture
def alice_client(alice) -> Client:
    return log_in(alice)


@pytest.fixture
def bob_client(bob) -> Client:
    return log_in(bob)


@pytest.fixture
def dora_client(dora) -> Client:
    return log_in(dora)


def program_of(person) -> Client:
    """Return a client that shows an access token of the person's, as programs do."""
    stamp = users.password_stamp(person)
    subject = tokens.Subject(users.identity_of(person), oauth.GRANT_PASSWORD, password_stamp=stamp)
    token = tokens.issue(subject, client_id="", with_refresh=False).access_token
    return Client(headers={"Authorization": f"Bearer {token}"})


def caller_for(person) -> Caller:
    identity = Identity(person.iam_id, person.account_id, person.get_full_name(), person.email, person.is_superuser)
    return Caller(identity, address="192.0.2.7", agent="pytest", correlation_id="0" * 32)


def delivery_for(person, nonce: str = "") -> Delivery:
    """Return the hand-over of a form, with a nonce of its own unless one is given."""
    return Delivery(person.iam_id, nonce or new_nonce())


@pytest.fixture
def create_key() -> Callable[..., IssuedApiKey]:
    def create(person, name: str = "terraform", description: str = "", **fields: object) -> IssuedApiKey:
        draft = ApiKeyDraft(name=name, description=description, **fields)
        return creation.create_api_key(caller_for(person), draft, delivery_for(person))

    return create


@pytest.fixture
def alices_key(alice, create_key) -> IssuedApiKey:
    return create_key(alice, "terraform", "Applies changes")


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix, tmp_path_factory):
    """A database in a file, as in production: threads wait for each other, and tests can search its bytes.

    On PostgreSQL each worker has a database of its own on the one server.
    """
    if SERVER:
        return
    path = tmp_path_factory.mktemp("database") / "console.sqlite3"
    settings.DATABASES["default"]["TEST"]["NAME"] = str(path)


@pytest.fixture(scope="session")
def console_server(tmp_path_factory):
    """A console of its own process that says all it can in its log; started once for all tests that ask for it."""
    with ConsoleServer(tmp_path_factory.mktemp("console") / "data", LOG_LEVEL="DEBUG") as server:
        yield server


@pytest.fixture(scope="session")
def https_console(tmp_path_factory):
    """A console behind a proxy that ends TLS; started once for all tests that ask for it."""
    with ConsoleServer(tmp_path_factory.mktemp("https") / "data", HTTPS="true") as server:
        yield server
