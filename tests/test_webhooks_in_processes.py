"""Webhooks of a real server: what happened is told within seconds, once it is sealed, and a power cut loses nothing."""

import json

import requests

from tests.addresses import WEBHOOKS
from tests.cast import ADMIN
from tests.http_person import HttpPerson
from tests.markup import page
from tests.programs import CLIENT, Program
from tests.receiver import Receiver
from tests.server import ConsoleServer
from tests.waiting import until

ALLOWED = {"WEBHOOKS_ALLOWED_NETWORKS": "127.0.0.0/8 ::1", "WEBHOOKS_HTTP": "true", "WORKERS": "2"}
CREATE = "iam-identity.user-apikey.create"


def program_of(server: ConsoleServer) -> Program:
    form = {"grant_type": "password", "username": ADMIN[0], "password": ADMIN[1]}
    answer = requests.post(f"{server.url}/identity/token", form, auth=CLIENT, timeout=30)
    return Program(server.url, answer.json()["access_token"])


def names(receiver: Receiver) -> list[str]:
    told = [json.loads(message.body) for message in receiver.received]
    return [message["data"]["target"]["name"] for message in told if message["type"] == CREATE]


def test_two_processes_tell_each_event_once_and_after_a_power_cut_what_was_left(tmp_path):
    with Receiver() as receiver, ConsoleServer(tmp_path / "data", **ALLOWED) as server:
        admin = HttpPerson(server.url).log_in(*ADMIN)
        drawn = admin.submit(admin.get(f"{WEBHOOKS}create/"), f"{WEBHOOKS}create/", name="SIEM", url=receiver.url)
        assert page(drawn).find(id="secret").text.startswith("whsec_")
        program = program_of(server)
        for number in range(10):
            program.create_key(f"key {number}")
        until(lambda: len(names(receiver)) == 10)
        program.create_key("just before the power cut")
        server.kill()
        before = len(receiver.received)
        server.sql("UPDATE console_delivery SET leased_until = NULL")  # as five minutes later

        with ConsoleServer(tmp_path / "data", **ALLOWED, DATABASE_URL=server.environment["DATABASE_URL"]):
            until(lambda: "just before the power cut" in names(receiver))

        assert len(receiver.received) > before
        assert sorted(names(receiver)) == sorted([*(f"key {n}" for n in range(10)), "just before the power cut"])
        assert "Traceback" not in server.log
