"""Whether somebody can come in by the log-in page, or is in."""

from django.test import Client

from tests.addresses import KEYS


def can_log_in(user_id: str, password: str) -> bool:
    return Client().post("/login/", {"username": user_id, "password": password}).status_code == 302


def is_logged_in(client: Client) -> bool:
    return client.get(KEYS).status_code == 200
