"""Who may do what: the table of docs/people.md, done by the owner of a key, an administrator and somebody else."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from apikeys.domain import Hold, Overlap
from apikeys.models import ApiKeyRecord
from apikeys.services import deletion, rotation
from tests.conftest import caller_for, program_of
from tests.server import ROOT

pytestmark = pytest.mark.django_db

ROW = re.compile(r"^\| (.+?) \| (yes|no|unseen) \| (yes|no|unseen) \| (yes|no|unseen) \|$", re.MULTILINE)
MEANS = {"yes": {200, 201, 204}, "no": {400, 403, 404}, "unseen": {404}}
JSON: dict[str, Any] = {"content_type": "application/json"}
Act = Callable[[Client, str], list[int]]


def held(key_id: str, column: str, hold: Hold) -> None:
    ApiKeyRecord.objects.filter(id=key_id).update(**{column: True, f"{column}_hold": hold})


def edit(client: Client, key: str) -> list[int]:
    return [client.put(key, {"name": "x"}, headers={"If-Match": "*"}, **JSON).status_code]


def undo(hold: Hold) -> Act:
    def act(client: Client, key: str) -> list[int]:
        held(key.rpartition("/")[2], "disabled", hold)
        enabled = client.delete(f"{key}/disable").status_code
        held(key.rpartition("/")[2], "locked", hold)
        return [enabled, client.delete(f"{key}/lock").status_code]

    return act


def restore(client: Client, key: str) -> list[int]:
    return [client.post(f"{key}/restore", {}, **JSON).status_code]


@pytest.fixture
def acts(alice, dora, alices_key) -> dict[str, Act]:
    rotation.rotate_api_key(caller_for(alice), alices_key.key.id, Overlap(timedelta(days=1)))
    everybody = f"/v1/apikeys?account_id={alice.account_id}&scope=account"

    def deleted_by(person) -> Act:
        def act(client: Client, key: str) -> list[int]:
            deletion.delete_api_key(caller_for(person), key.rpartition("/")[2])
            return restore(client, key)

        return act

    def revoke(whose: dict[str, Any]) -> Act:
        return lambda client, _key: [client.post("/v1/apikeys/revoke", whose, **JSON).status_code]

    return {
        "see it, its history, uses and refusals": lambda client, key: [
            client.get(f"{key}{part}").status_code for part in ("", "?include_history=true", "/usage", "/refusals")
        ],
        "edit it": edit,
        "rotate it, or end its previous value": lambda client, key: [
            client.delete(f"{key}/previous").status_code, client.post(f"{key}/rotate", {}, **JSON).status_code,
        ],
        "disable or pause it": lambda client, key: [
            client.post(f"{key}/{part}", {}, **JSON).status_code for part in ("pause", "disable")
        ],
        "lock it": lambda client, key: [client.post(f"{key}/lock").status_code],
        "enable or unlock what its owner disabled or locked": undo(Hold.OWNER),
        "enable or unlock what an administrator disabled or locked": undo(Hold.ADMINISTRATOR),
        "delete it": lambda client, key: [client.delete(key).status_code],
        "restore it, deleted by its owner": deleted_by(alice),
        "restore it, deleted by an administrator": deleted_by(dora),
        "list everybody's keys": lambda client, _key: [client.get(everybody).status_code],
        "revoke all keys of its owner": revoke({"owner": alice.iam_id}),
        "revoke everybody's keys": revoke({"everybody": True}),
    }  # fmt: skip


def test_each_may_do_what_the_document_says_and_nothing_else(acts, alice, bob, dora, alices_key):
    table = ROW.findall((ROOT / "docs" / "people.md").read_text(encoding="utf-8"))
    programs = [program_of(person) for person in (alice, dora, bob)]
    address, wrong = f"/v1/apikeys/{alices_key.key.id}", []

    for what, *told in table:
        for client, says in zip(programs, told, strict=True):
            with transaction.atomic():
                statuses = acts[what](client, address)
                transaction.set_rollback(True)
            if not set(statuses) <= MEANS[says]:
                wrong.append((what, says, statuses))

    assert [row[0] for row in table] == list(acts)
    assert wrong == []
