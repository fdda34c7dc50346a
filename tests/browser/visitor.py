"""People without a browser: HTTP requests as a browser would send them, cookies included."""

from typing import Any
from urllib.parse import urlencode

import requests
from playwright.sync_api import BrowserContext

from tests.addresses import CREATE, KEYS
from tests.cast import PASSWORD
from tests.markup import fields, parse
from tests.server import ConsoleServer

SECONDS = 20


class Visitor:
    """Somebody with a session of the console; `cookies` are for a browser to go on with, or come from one."""

    def __init__(self, server: ConsoleServer, cookies: dict[str, str]) -> None:
        self.url = server.url
        self.cookies = cookies

    @classmethod
    def logged_in(cls, server: ConsoleServer, username: str) -> "Visitor":
        visitor = cls(server, {})
        form = visitor.form("/login/") | {"username": username, "password": PASSWORD}
        assert visitor.post("/login/", form).status_code == 302, f"{username} could not log in"
        return visitor

    @classmethod
    def with_session_of(cls, server: ConsoleServer, context: BrowserContext) -> "Visitor":
        return cls(server, {cookie["name"]: cookie["value"] for cookie in context.cookies()})

    def get(self, path: str) -> requests.Response:
        return self._send("GET", path)

    def post(self, path: str, data: dict[str, str], **headers: str) -> requests.Response:
        return self._send("POST", path, data=data, headers=headers)

    def form(self, path: str) -> dict[str, str]:
        """Return what a browser would send of the page's form that posts to where the page itself is."""
        tree = parse(self.get(path).text)
        posts = [form for form in tree.find_all("form", method="post") if form["action"].partition("?")[0] == path]
        return fields(posts[0])

    def create_key(self, name: str, description: str = "") -> None:
        self.post(CREATE, self.form(CREATE) | {"name": name, "description": description})

    def names_found(self, name: str) -> int:
        """Return how many keys of this person the list finds under exactly that name."""
        listed = parse(self.get(f"{KEYS}?{urlencode({'q': name})}").text)
        return sum(row.text == name for row in listed.find_all("th", role="rowheader"))

    def _send(self, method: str, path: str, headers: dict[str, str] | None = None, **kwargs: Any) -> requests.Response:
        cookie = "; ".join(f"{name}={text}" for name, text in self.cookies.items())
        headers = {"Cookie": cookie, "Accept-Language": "en"} | (headers or {})
        url = self.url + path
        response = requests.request(method, url, headers=headers, allow_redirects=False, timeout=SECONDS, **kwargs)
        self.cookies |= dict(response.cookies.items())
        return response
