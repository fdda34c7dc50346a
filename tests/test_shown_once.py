"""What is told once: in which answers it stands, and that it is in no cache, no Back and no page that was left."""

import pytest
from django.test import Client
from django.urls import reverse

from tests.conftest import log_in
from tests.markup import page

pytestmark = pytest.mark.django_db


def an_apps_secret(client):
    return client.get(reverse("factors_app"))


def a_passcode(client):
    return client.post(reverse("passcode"))


def a_webhooks_secret(client):
    return client.post(reverse("webhook_create"), {"name": "SIEM", "url": "https://siem.example.com/hooks"})


def a_link_to_choose_a_password(client):
    return client.post(reverse("person_create"), {"username": "frank"})


@pytest.mark.parametrize("asked", [an_apps_secret, a_passcode, a_webhooks_secret, a_link_to_choose_a_password])
def test_what_is_told_once_is_in_no_cache_and_no_back_and_leaves_the_page_with_the_person(dora, asked):
    client = log_in(dora)

    answer = asked(client)
    after = client.get("/")

    [once] = [group for group in page(answer).find_all("div", role="group") if "data-once" in group]
    told = once.find("code")
    assert "data-wiped" in told
    assert told.text
    assert "It is shown only now." in once.text
    assert once.find("button")["data-copies"] == told["id"]
    assert answer["Cache-Control"] == "no-store"
    # Browsers drop a page from Back once this cookie has changed after it.
    assert answer.cookies["shown"].value != after.cookies["shown"].value
    assert told.text not in after.content.decode()


def test_the_code_of_a_link_leaves_the_page_where_a_password_is_chosen_with_the_person(dora):
    invited = page(a_link_to_choose_a_password(log_in(dora)))
    code = invited.find(id="link").text.partition("#")[2]
    stranger = Client()

    answer = stranger.post(reverse("choose_password"), {"code": code})
    after = stranger.get("/login/")

    [field] = page(answer).find_all("input", value=code)
    assert "data-wiped" in field
    assert answer.content.decode().count(code) == 1
    assert answer["Cache-Control"] == "no-store"
    assert answer.cookies["shown"].value != after.cookies["shown"].value
