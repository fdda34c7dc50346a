"""Somebody who visits a real console over a real socket, with a plain HTTP client instead of a browser."""

import requests

from tests.markup import Element, fields, page

TIMEOUT = 30  # seconds; a test that needs them has failed


class HttpPerson(requests.Session):
    """Addresses are given as paths; `submit` sends a form as it is drawn on a page."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.trust_env = False  # no proxy of this machine

    def request(self, method, path, **keywords):
        keywords.setdefault("timeout", TIMEOUT)
        keywords.setdefault("allow_redirects", False)
        return super().request(method, self.url + path if path.startswith("/") else path, **keywords)

    def log_in(self, username: str, password: str) -> "HttpPerson":
        response = self.submit(self.get("/login/"), "/login/", username=username, password=password)
        assert response.status_code == 302
        return self

    def submit(self, response, action: str, *, headers=None, **typed: str):
        """Send the first form of the page that goes to `action`, filled in with `typed`."""
        form: Element = page(response).find_all("form", action=action)[0]
        return self.post(action, data=fields(form) | typed, headers=headers)
