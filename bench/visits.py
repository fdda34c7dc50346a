"""Requests as browsers and programs send them to the console."""

from collections.abc import Sequence
from urllib.parse import urlencode

import requests

from bench import keys
from bench.peer import Peer
from bench.probes import Probe
from bench.servers import Console
from bench.store import Store
from tests.http_person import HttpPerson
from tests.markup import page
from tests.programs import CLIENT

LIST = "/manage/security/apikeys/"
GRANT = "urn:ibm:params:oauth:grant-type:apikey"
BROWSER = "Accept: text/html\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nSec-Fetch-Site: same-origin"
PROGRAM = "Accept: */*\r\nAccept-Encoding: gzip, deflate"
FORM = "Content-Type: application/x-www-form-urlencoded"
CALLERS = 16  # tokens in turn


class Visits:
    """What people of the data set ask of a console that runs."""

    def __init__(self, console: Console, store: Store, peers: Sequence[Peer] = ()) -> None:
        self.console, self.store = console, store
        self.peers = {peer.name: peer for peer in peers}
        self.cookies: dict[str, str] = {}

    def probe(self, name: str, *asked: str) -> Probe:
        return Probe(name, self.console.process.pid, self.console.port, asked)

    def peer(self, name: str) -> Probe:
        """Return look-ups of a peer."""
        peer = self.peers[name]
        return Probe(name, peer.process.pid, peer.port, peer.requests())

    def page(self, person: str, path: str) -> str:
        """Return the request of a person's browser for a page."""
        return self.request("GET", path, BROWSER, f"Cookie: {self.cookie(person)}")

    def call(self, path: str, token: str, *headers: str) -> str:
        """Return a program's request for what is at `path`."""
        return self.request("GET", path, PROGRAM, f"Authorization: Bearer {token}", *headers)

    def posted(self, person: str, path: str, fields: dict[str, str]) -> str:
        """Return the request of a person's browser that sends a form of a page."""
        headers = f"Origin: {self.console.url}", f"Cookie: {self.cookie(person)}"
        return self.request("POST", path, BROWSER, FORM, *headers, body=urlencode(fields))

    def list_at(self, **parameters: str) -> str:
        """Return the address of a list."""
        return f"{LIST}?{urlencode(parameters)}"

    def plain(self, path: str) -> str:
        return self.request("GET", path, PROGRAM)

    def form(self, path: str, fields: dict[str, str], *headers: str) -> str:
        """Return a program's request that sends a form."""
        return self.request("POST", path, PROGRAM, FORM, *headers, body=urlencode(fields))

    def request(self, method: str, path: str, *headers: str, body: str = "") -> str:
        """Return a whole request."""
        length = [f"Content-Length: {len(body)}"] if body else []
        lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{self.console.port}", *headers, *length]
        return "\r\n".join(lines) + "\r\n\r\n" + body

    def cookie(self, person: str) -> str:
        """Log a person in, once."""
        if person not in self.cookies:
            jar = self.log_in(person).cookies
            self.cookies[person] = "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar)
        return self.cookies[person]

    def log_in(self, person: str) -> HttpPerson:
        return HttpPerson(self.console.url).log_in(person, keys.PASSWORD)

    def values(self, person: str, count: int) -> list[str]:
        return keys.known_values(person, count, self.store.held[person])

    def tokens(self, person: str) -> list[str]:
        """Return access tokens of different keys of a person."""
        return [self.token(value) for value in self.values(person, CALLERS)]

    def token_of(self, person: str) -> str:
        """Return an access token of a person's, made with the password."""
        form = {"grant_type": "password", "username": person, "password": keys.PASSWORD}
        answer = requests.post(f"{self.console.url}/identity/token", data=form, auth=CLIENT, timeout=30)
        answer.raise_for_status()
        return str(answer.json()["access_token"])

    def token(self, value: str) -> str:
        answer = requests.post(
            f"{self.console.url}/identity/token", data={"grant_type": GRANT, "apikey": value}, timeout=30
        )
        answer.raise_for_status()
        return str(answer.json()["access_token"])

    def introspections(self, count: int = 1000) -> list[str]:
        """Return requests that ask about values in turn, with the tokens of several callers."""
        tokens = self.tokens(keys.HUNDRED)
        return [
            self.form("/identity/introspect", {"apikey": value}, f"Authorization: Bearer {tokens[place % len(tokens)]}")
            for place, value in enumerate(self.values(keys.MANY, count))
        ]

    def last_page(self, person: str) -> str:
        """Return the address of the last page of a person's list, as the first one links to it."""
        first = page(HttpPerson(self.console.url).get(LIST, headers={"Cookie": self.cookie(person)}))
        return LIST + "?" + str(first.find("a", rel="last")["href"]).partition("?")[2]
