"""A running console for the tests of programs, the people who have accounts there, and plain HTTP calls to it.

Alice owns keys, Bob is a stranger to them, Dora administers. Each test gets new ones, so that tests share a
server without meeting.
"""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.cast import PASSWORD
from tests.server import ConsoleServer

API_KEY_GRANT = "urn:ibm:params:oauth:grant-type:apikey"
CLIENT = ("bx", "bx")
SECONDS = 30
PEOPLE = 1000
REPORTER = "reporter-1"

MAKE_PEOPLE = f"""
import json
from django.contrib.auth.hashers import make_password
from console.models import User, only_account
account = only_account()
password = make_password({PASSWORD!r})
def person(number, kind):
    name = f"{{kind}}{{number}}"
    return User(
        username=name, password=password, first_name=kind.title(), last_name=str(number),
        email=f"{{name}}@example.com", is_superuser=kind == "dora", account_id=account,
    )
kinds = {{"alice": {PEOPLE}, "bob": {PEOPLE}, "dora": {PEOPLE // 5}}}
made = User.objects.bulk_create([person(n, kind) for kind, count in kinds.items() for n in range(count)])
print(json.dumps([[user.username, user.iam_id, user.account_id] for user in made]))
"""


@dataclass(frozen=True)
class Person:
    """An account at the console; everybody's password is PASSWORD."""

    username: str
    iam_id: str
    account_id: str

    @property
    def email(self) -> str:
        return f"{self.username}@example.com"


@dataclass(frozen=True)
class Program:
    """What calls the API: a server's address and an access token. It sends no cookie and asks no proxy."""

    url: str
    token: str = field(default="", repr=False)

    def call(self, method: str, path: str, **request: Any) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False
            headers = {
                **({"Authorization": f"Bearer {self.token}"} if self.token else {}),
                **request.pop("headers", {}),
            }
            return session.request(
                method, f"{self.url}{path}", headers=headers, timeout=SECONDS, allow_redirects=False, **request
            )

    def get(self, path: str, **request: Any) -> requests.Response:
        return self.call("GET", path, **request)

    def post(self, path: str, **request: Any) -> requests.Response:
        return self.call("POST", path, **request)

    def put(self, path: str, **request: Any) -> requests.Response:
        return self.call("PUT", path, **request)

    def delete(self, path: str, **request: Any) -> requests.Response:
        return self.call("DELETE", path, **request)

    def create_key(self, name: str = "robot", headers: dict[str, str] | None = None, **fields: Any) -> dict[str, Any]:
        """Return a new key, its value under `apikey`."""
        answer = self.post("/v1/apikeys", json={"name": name, "iam_id": self.iam_id} | fields, headers=headers or {})
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def listed(self, **parameters: str) -> list[dict[str, Any]]:
        answer = self.get("/v1/apikeys", params={"pagesize": "100", **parameters})
        assert answer.status_code == 200, answer.text
        return list(answer.json()["apikeys"])

    def refused(self) -> bool:
        """Tell whether /v1 refuses the access token; anything but yes or no fails."""
        status = self.get("/v1/apikeys").status_code
        assert status in (200, 401), status
        return status == 401

    @property
    def claims(self) -> dict[str, Any]:
        body = self.token.split(".")[1]
        return dict(json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))))

    @property
    def iam_id(self) -> str:
        return str(self.claims["iam_id"])


class Console:
    """One running server, as programs see it."""

    def __init__(self, server: ConsoleServer) -> None:
        self.server = server
        self.url = server.url

    def token_request(self, *, client: bool = False, **form: str) -> requests.Response:
        return Program(self.url).post("/identity/token", data=form, auth=CLIENT if client else None)

    def log_in(self, person: Person) -> Program:
        """Return a program with an access token from the person's password."""
        return self._program(
            self.token_request(client=True, grant_type="password", username=person.username, password=PASSWORD)
        )

    def exchange(self, value: str) -> requests.Response:
        """Return the answer to a request for an access token with a key's value."""
        return self.token_request(grant_type=API_KEY_GRANT, apikey=value)

    def use(self, value: str) -> Program:
        """Return a program with an access token from a key's value."""
        return self._program(self.exchange(value))

    def with_token(self, token: str) -> Program:
        return Program(self.url, token)

    def introspect(self, caller: Program, **form: str) -> dict[str, Any]:
        answer = self.with_token(caller.token).post("/identity/introspect", data=form)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def _program(self, answer: requests.Response) -> Program:
        assert answer.status_code == 200, answer.text
        return Program(self.url, answer.json()["access_token"])


class Site(Console):
    """The server of a test run, who has an account there, and the key that signs reports of leaks to it."""

    def __init__(self, server: ConsoleServer, signing_key: ec.EllipticCurvePrivateKey | None = None) -> None:
        super().__init__(server)
        self.signing_key = signing_key or ec.generate_private_key(ec.SECP256R1())
        self.people = [Person(*row) for row in json.loads(server.run_python(MAKE_PEOPLE).splitlines()[-1])]

    def next_person(self, kind: str) -> Person:
        person = next(person for person in self.people if person.username.startswith(kind))
        self.people.remove(person)
        return person

    def sign(self, body: bytes) -> dict[str, str]:
        return signed(self.signing_key, body)


def signed(key: ec.EllipticCurvePrivateKey, body: bytes) -> dict[str, str]:
    """Return the headers of a report of leaked keys."""
    signature = base64.b64encode(key.sign(body, ec.ECDSA(SHA256()))).decode()
    return {"Github-Public-Key-Identifier": REPORTER, "Github-Public-Key-Signature": signature}


def public_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Started once for all tests of a worker; at the end its log is searched for values and tokens."""
    signing_key = ec.generate_private_key(ec.SECP256R1())
    keys = json.dumps({REPORTER: public_pem(signing_key)})
    with ConsoleServer(tmp_path_factory.mktemp("site") / "data", LEAK_REPORT_KEYS=keys) as server:
        yield Site(server, signing_key)
        log = server.log
    assert "apk_" not in log
    assert "eyJ" not in log
    assert "Traceback" not in log


@pytest.fixture
def site_alice(site: Site) -> Person:
    return site.next_person("alice")


@pytest.fixture
def site_bob(site: Site) -> Person:
    return site.next_person("bob")


@pytest.fixture
def site_dora(site: Site) -> Person:
    return site.next_person("dora")


@pytest.fixture
def alices(site: Site, site_alice: Person) -> Program:
    """A program that runs as Alice."""
    return site.log_in(site_alice)


@pytest.fixture
def bobs(site: Site, site_bob: Person) -> Program:
    return site.log_in(site_bob)


@pytest.fixture
def doras(site: Site, site_dora: Person) -> Program:
    return site.log_in(site_dora)
