"""Requests that nobody wrote: of each operation and each page, with things changed by chance, the same each time."""

import json
import random
import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from django.urls import URLPattern, URLResolver, get_resolver

from tests.bad_input.good import FORM, GOOD, Request
from tests.cast import ADMIN, PASSWORD
from tests.http_person import HttpPerson
from tests.markup import fields, page
from tests.programs import Site
from tests.prove.figures import Figure, Size, counted
from tests.raw_http import send
from tests.server import ConsoleServer

SEED = 13
AT_ONCE = 4
EACH = 500  # requests of one person, who is gone after a good deletion
ALLOWED = {502, 503, 504, 507}
NASTY = (
    "", " ", "0", "-1", "1e999", "9" * 400, "true", "null", "[]", "{}", "NaN", "\0", "\r\nX: y", "é", "Ｋ",
    "\U0010ffff", "%00", "%", "%ff%fe", "../../etc/passwd", "' OR 1=1 --", "<script>alert(1)</script>", "{{7*7}}",
    "2026-02-30T25:61:61Z", "9999-12-31T23:59:59+14:00", "x" * 300, "x" * 9_000, "*", "!", ",", ";", "urn:x:y", "::1",
    "300.1.1.1/99", "1-" + "0" * 32,
)  # fmt: skip
PARAMETERS = (
    "q", "sort", "page", "pagesize", "pagetoken", "order", "view", "owner", "account_id", "iam_id", "scope", "status",
    "created", "expires", "used", "after", "before", "format", "next", "filter", "include_history", "include_activity",
    "name", "description", "ids", "kind", "group",
)  # fmt: skip
HEADERS = (
    "Accept", "Accept-Language", "Authorization", "Content-Type", "Cookie", "HX-Request", "HX-Target", "HX-Current-URL",
    "If-Match", "Idempotency-Key", "IAM-ApiKey", "Entity-Lock", "Entity-Disable", "Origin", "Referer", "Sec-Fetch-Site",
    "Transaction-Id", "X-Correlation-ID", "X-Forwarded-For", "User-Agent", "Range",
)  # fmt: skip
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "QUERY")
NO_PAGES = ("/v1/", "/identity/", "/oidc/", "/logout/")
PARTS = re.compile(r"<(?:(\w+):)?\w+>")


def pages(resolver: URLResolver | None = None, before: str = "") -> Iterator[str]:
    """Give the address of each page, with `<kind>` for what stands in it."""
    for entry in (resolver or get_resolver()).url_patterns:
        route = before + str(entry.pattern).removeprefix("^").removesuffix("$").removesuffix(r"\Z")
        if isinstance(entry, URLPattern):
            yield "/" + PARTS.sub(lambda part: f"<{part[1] or 'str'}>", route)
        else:
            yield from pages(entry, route)


class Maker:
    """Makes the requests of one person, by a generator of chance that has a seed of its own."""

    def __init__(self, names: dict[str, str], form: dict[str, Any], cookie: str, number: int) -> None:
        self.names, self.form, self.cookie = names, form, cookie
        self.chance = random.Random(SEED * 100_003 + number)
        self.pages = [address for address in pages() if not any(part in address for part in NO_PAGES)]

    def make(self) -> Request:
        return self._of_page() if self.chance.random() < 0.5 else self._of_operation()

    def _of_operation(self) -> Request:
        good = GOOD[self.chance.choice(list(GOOD))]
        body = good.body
        if isinstance(body, bytes):
            body = self._spoiled(body)
        elif body is not None:
            body = self._spoiled(json.dumps(self._changed(body)).encode(), rarely=True)
        return Request(self._method(good.method), self._target(good.target), self._headers(dict(good.headers)), body)

    def _of_page(self) -> Request:
        address = self._target(self.chance.choice(self.pages))
        headers: dict[str, Any] = {"Cookie": self.cookie}
        if self.chance.random() < 0.5:
            return Request(self._method("GET"), address, self._headers(headers), None)
        typed = dict(self.form)
        for _time in range(self.chance.randint(0, 3)):
            typed[
                self.chance.choice([*PARAMETERS, "nonce", "entity_tag", "overlap", "seconds", "action", "networks"])
            ] = self._text()
        headers |= {"Content-Type": FORM, "Origin": "<origin>", "Sec-Fetch-Site": "same-origin"}
        body = urlencode(typed, errors="surrogatepass").encode()
        return Request(self._method("POST"), address, self._headers(headers), self._spoiled(body, rarely=True))

    def _text(self) -> str:
        known = self.chance.choice([*self.names.values(), self.chance.choice(NASTY)])
        return self.chance.choice([known, self.chance.choice(NASTY), known + self.chance.choice(NASTY)])

    def _method(self, usual: str) -> str:
        return usual if self.chance.random() < 0.9 else self.chance.choice(METHODS)

    def _target(self, target: str) -> str:
        kinds = {"api_key_id": "<key>", "service_id": "<service>", "str": "<key>", "int": "1", "digest": "0" * 64}
        for kind, otherwise in kinds.items():
            target = target.replace(f"<{kind}>", otherwise)
        parts = target.split("/")
        if self.chance.random() < 0.15:
            parts[self.chance.randrange(len(parts))] = quote(self._text(), safe="", errors="surrogatepass")
        target = "/".join(parts)
        asked = [(self.chance.choice(PARAMETERS), self._text()) for _time in range(self.chance.choice([0, 0, 1, 2, 5]))]
        return f"{target}?{urlencode(asked, errors='surrogatepass')}" if asked else target

    def _headers(self, headers: dict[str, Any]) -> dict[str, Any]:
        for _time in range(self.chance.choice([0, 0, 1, 2])):
            name = self.chance.choice(HEADERS)
            text = re.sub(r"[\r\n\0]", "", self._text())
            headers[name] = text.encode("utf-8", "surrogatepass")[:2_000]
        if headers and self.chance.random() < 0.05:
            headers.pop(self.chance.choice(list(headers)), None)
        return headers

    def _changed(self, body: Any) -> Any:
        """Return a body with other members, and other things in them."""
        if not isinstance(body, dict):
            return self.chance.choice([body, [body], {}, self._text()])
        changed = dict(body)
        for _time in range(self.chance.choice([0, 1, 1, 2, 4])):
            name = self.chance.choice(
                [*body, *PARAMETERS, "apikey", "expires_at", "networks", "overlap_seconds", "seconds"]
            )
            changed[name] = self.chance.choice(
                [self._text(), None, True, 0, -1, 2**70, 1.5, [], {}, [self._text()], {"a": self._text()}, "\ud800"]
            )
        return changed

    def _spoiled(self, body: bytes, *, rarely: bool = False) -> bytes:
        if self.chance.random() < (0.9 if rarely else 0.5):
            return body
        place = self.chance.randrange(len(body) + 1)
        return body[:place] + self.chance.choice(NASTY).encode("utf-8", "surrogatepass") + body[place + 1 :]


class Sender:
    """A person with a key, a service ID, a session and a token, whose requests are sent."""

    def __init__(self, site: Site, number: int) -> None:
        self.site = site
        program = site.log_in(site.next_person("dora" if number % 5 == 0 else "alice"))
        key = program.create_key("fuzzed")
        claims = program.claims
        account = str(claims["account"]["bss"])
        service = program.post("/v1/serviceids", json={"name": "robot", "account_id": account}).json()
        with HttpPerson(site.url) as person:
            person.log_in(*(ADMIN if number % 5 == 1 else (_username(program.claims), PASSWORD)))
            form = fields(page(person.get("/manage/security/apikeys/create/")).find("form", id="create-form"))
            cookie = "; ".join(f"{cookie.name}={cookie.value}" for cookie in person.cookies)
        self.names = {
            "token": program.token, "refresh_token": "x" * 64, "iam_id": program.iam_id, "account": account,
            "username": "alice", "tag": key["entity_tag"], "key": key["id"], "value": key["apikey"],
            "service": service["id"], "request": "0" * 32, "origin": site.url,
        }  # fmt: skip
        self.maker = Maker(self.names, form | {"name": "made"}, cookie, number)

    def run(self, count: int) -> Counter[int]:
        """Send so many requests; return how often each status was the answer, 0 where there was none."""
        return Counter(self.sent(self.maker.make()) for _request in range(count))

    def sent(self, request: Request) -> int:
        headers = {name: self._filled(text) for name, text in request.headers.items() if text is not None}
        body = None if request.body is None else self._filled(request.body)
        try:
            return send(
                self.site.url, request.method, self._filled(request.target).decode("ascii"), headers, body
            ).status
        except (HTTPException, OSError):
            return 0

    def _filled(self, text: str | bytes) -> bytes:
        found = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
        for name, value in self.names.items():
            found = found.replace(f"<{name}>".encode(), value.encode())
        return found


def _username(claims: dict[str, Any]) -> str:
    return str(claims["email"]).partition("@")[0]


def requests(folder: Path, size: Size) -> list[Figure]:
    """Send generated requests to pages and API; no answer may be an error of the server's."""
    people = -(-size.requests // EACH)
    with ConsoleServer(folder / "data", APIKEYS_PER_IDENTITY="0") as server, ThreadPoolExecutor(AT_ONCE) as pool:
        site = Site(server)
        found: Counter[int] = Counter()
        for answers in pool.map(lambda number: Sender(site, number).run(EACH), range(people)):
            found += answers
        tracebacks = server.log.count("Traceback")
        is_alive = server.process.poll() is None
    bad = sum(count for status, count in found.items() if status >= 500 and status not in ALLOWED)
    of = f"{sum(found.values()):,}"
    told = ", ".join(f"{status}: {count:,}" for status, count in sorted(found.items()) if status >= 500 or not status)
    return [
        Figure(
            "generated requests with an error of the server's",
            "0",
            f"{bad} of {of}{f' ({told})' if told else ''}",
            not bad,
        ),
        counted("tracebacks in the log of these", tracebacks + (not is_alive)),
    ]
