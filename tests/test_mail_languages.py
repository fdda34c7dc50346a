"""The language of somebody's mails: that of the pages they saw last."""

import pytest
from django.test import Client

from tests.cast import PASSWORD

pytestmark = pytest.mark.django_db


def language_of(person) -> str:
    person.refresh_from_db()
    return person.language


def test_a_log_in_keeps_the_language_that_the_browser_asks_for(alice):
    Client(headers={"Accept-Language": "zh-TW,zh"}).post("/login/", {"username": "alice", "password": PASSWORD})

    assert language_of(alice) == "zh-hant"


def test_who_chooses_a_language_gets_mails_in_it_and_nobody_else_does(alice, bob, alice_client):
    alice_client.post("/language/", {"language": "zh-hant", "next": "/"})
    assert (language_of(alice), language_of(bob)) == ("zh-hant", "")

    alice_client.post("/language/", {"language": "en", "next": "/"})
    assert language_of(alice) == "en"


def test_a_language_that_is_none_changes_nothing(alice, alice_client):
    alice_client.post("/language/", {"language": "zh-hant", "next": "/"})
    for language in ("", "tlh", "x" * 300):
        alice_client.post("/language/", {"language": language, "next": "/"})

    assert language_of(alice) == "zh-hant"


def test_a_stranger_who_chooses_a_language_is_nobody_whose_mails_change(alice):
    Client().post("/language/", {"language": "zh-hant", "next": "/"})

    assert language_of(alice) == ""
