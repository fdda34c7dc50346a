"""Each rule at each door where a key is made, changed or brought back: one sentence, and nothing is done."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apikeys.iam.payloads import format_date
from apikeys.web.forms import new_nonce
from tests.addresses import CREATE, KEYS, RULES, edit_address
from tests.cast import PASSWORD
from tests.cli_person import refused
from tests.http_person import HttpPerson
from tests.markup import fields, page

NONE = {"max_lifetime_days": "0", "creators": "everybody", "networks": "", "keys_per_identity": "1000"}
# Of each rule: how it is set, and what every door says.
SENTENCES = {
    "max_lifetime_days": (
        {"max_lifetime_days": "90"},
        "An API key must expire within 90 days of its creation or last rotation. Choose another date.",
    ),
    "must_expire": ({"must_expire": "on"}, "An API key must expire. Choose an expiration."),
    "creators": (
        {"creators": "administrators"},
        "Only administrators may create API keys here. Ask one of them for a key.",
    ),
    "networks": (
        {"networks": "192.0.2.0/24"},
        "API keys may be used from 192.0.2.0/24 at most. Choose from these.",
    ),
    "keys_per_identity": (
        {"keys_per_identity": "1"},
        "You have reached the limit of 1 API keys. Delete a key that you no longer need, then try again.",
    ),
}
# What a key is to be like that breaks the rule, in days to its end and networks. Nothing more is needed of the others.
BREAKING: dict[str, dict[str, Any]] = {
    "max_lifetime_days": {"days": 365},
    "must_expire": {"days": None},
    "networks": {"networks": ["198.51.100.0/24"]},
}
# Only what a key is like is looked at when it is changed, enabled or rotated: then no key is made.
OPERATIONS = {
    "create": tuple(SENTENCES),
    "edit": tuple(BREAKING),
    "restore": tuple(SENTENCES),
    "enable": tuple(BREAKING),
    "enable_with_others": tuple(BREAKING),
    "rotate": tuple(BREAKING),
}
TABLE = [(operation, rule) for operation, rules in OPERATIONS.items() for rule in rules]


def in_days(number: int | None) -> str:
    return format_date(datetime.now(UTC) + timedelta(days=number)) if number else ""


class AtThePage:
    """Alice in her browser. Her forms were opened before there was a rule, so that nothing is hidden from her."""

    def __init__(self, site, person) -> None:
        self.browser = HttpPerson(site.url).log_in(person.username, PASSWORD)
        self.form = fields(page(self.browser.get(CREATE)).find("form", id="create-form"))
        self.token = {"csrfmiddlewaretoken": self.form["csrfmiddlewaretoken"]}

    def _told(self, path: str, sent: dict[str, str], sentence: str) -> None:
        answer = self.browser.post(path, data=sent)
        assert answer.status_code in (400, 403, 422), answer.text
        assert sentence in page(answer).text

    def create(self, sentence: str, days: int | None = None, networks: list[str] | None = None) -> None:
        form = self.form | {"name": "new", "expires": str(days or "")}
        self._told(CREATE, form | ({"networks": "\n".join(networks)} if networks else {}), sentence)

    def edit(self, sentence: str, key: dict, **like: Any) -> None:
        form = self.token | {"name": key["name"], "description": "", "entity_tag": key["entity_tag"]}
        form["expires"] = str(like["days"] or "never") if "days" in like else ""
        self._told(edit_address(key["id"]), form | {"networks": "\n".join(like.get("networks", ()))}, sentence)

    def restore(self, sentence: str, key: dict) -> None:
        self._told(f"{KEYS}{key['id']}/restore/", self.token, sentence)

    def enable(self, sentence: str, key: dict) -> None:
        self._told(f"{KEYS}{key['id']}/enable/", self.token, sentence)

    def enable_with_others(self, sentence: str, key: dict) -> None:
        run = self.browser.post(f"{KEYS}bulk/", data=self.token | {"action": "enable", "key": key["id"]})
        assert run.status_code == 303
        self.browser.submit(self.browser.get(run.headers["Location"]), run.headers["Location"])
        report = page(self.browser.get(run.headers["Location"])).find("dialog")
        assert sentence in report.text
        assert report.text.count(key["name"]) == 1

    def rotate(self, sentence: str, key: dict) -> None:
        self._told(f"{KEYS}{key['id']}/rotate/", self.token | {"overlap": "0", "nonce": new_nonce()}, sentence)


class OverREST:
    """A program with Alice's token."""

    def __init__(self, program) -> None:
        self.program = program

    def _told(self, answer, sentence: str) -> None:
        assert answer.status_code in (400, 403, 422), answer.text
        assert answer.json()["errors"][0]["message"] == sentence

    def create(self, sentence: str, days: int | None = None, networks: list[str] | None = None) -> None:
        body = {"name": "new", "iam_id": self.program.iam_id, "expires_at": in_days(days), "networks": networks or []}
        self._told(self.program.post("/v1/apikeys", json=body), sentence)

    def edit(self, sentence: str, key: dict, **like: Any) -> None:
        body = {"networks": like["networks"]} if "networks" in like else {"expires_at": in_days(like["days"])}
        headers = {"If-Match": key["entity_tag"]}
        self._told(self.program.put(f"/v1/apikeys/{key['id']}", json=body, headers=headers), sentence)

    def restore(self, sentence: str, key: dict) -> None:
        self._told(self.program.post(f"/v1/apikeys/{key['id']}/restore"), sentence)

    def enable(self, sentence: str, key: dict) -> None:
        self._told(self.program.delete(f"/v1/apikeys/{key['id']}/disable"), sentence)

    def enable_with_others(self, sentence: str, key: dict) -> None:
        answer = self.program.post("/v1/apikeys/bulk", json={"action": "enable", "ids": [key["id"]]})
        told = [(failed["name"], failed["message"]) for failed in answer.json()["failed"]]
        assert (answer.json()["done"], told) == (0, [(key["name"], sentence)])

    def rotate(self, sentence: str, key: dict) -> None:
        self._told(self.program.post(f"/v1/apikeys/{key['id']}/rotate", json={}), sentence)


class AtTheCommandLine:
    """Alice at her terminal."""

    def __init__(self, terminal) -> None:
        self.run = terminal.run

    def create(self, sentence: str, days: int | None = None, networks: list[str] | None = None) -> None:
        flags = [*(["--expires", f"{days}d"] if days else []), *(f"--network={network}" for network in networks or [])]
        refused(self.run("iam", "api-key-create", "new", *flags), sentence)

    def edit(self, sentence: str, key: dict, **like: Any) -> None:
        flags = [f"--network={network}" for network in like.get("networks", ())]
        if "days" in like:
            flags += ["--expires", f"{like['days']}d" if like["days"] else "never"]
        refused(self.run("iam", "api-key-update", key["id"], *flags), sentence)

    def restore(self, sentence: str, key: dict) -> None:
        refused(self.run("iam", "api-key-restore", key["id"]), sentence)

    def enable(self, sentence: str, key: dict) -> None:
        refused(self.run("iam", "api-key-enable", key["id"], "-f"), sentence)

    def enable_with_others(self, sentence: str, key: dict) -> None:
        done = self.run("iam", "api-keys-bulk", "enable", key["id"], "-f")
        assert (done.status, "0 API keys were enabled" in done.out) == (1, True)
        assert f"{key['name']} ({key['id']}): {sentence}" in done.err

    def rotate(self, sentence: str, key: dict) -> None:
        refused(self.run("iam", "api-key-rotate", key["id"]), sentence)


@pytest.fixture(scope="session")
def administrator(site) -> HttpPerson:
    return HttpPerson(site.url).log_in(site.next_person("dora").username, PASSWORD)


@pytest.fixture
def set_rules(administrator):
    """Set rules in the page, as they stay for this one test."""

    def send(**rules: str) -> None:
        answer = administrator.submit(administrator.get(RULES), RULES, **rules)
        assert answer.status_code == 303, answer.text

    yield send
    form = fields(page(administrator.get(RULES)).find("form", action=RULES))
    form.pop("must_expire", "")
    assert administrator.post(RULES, data=form | NONE).status_code == 303


@pytest.fixture
def doors(site, site_alice, alices, logged_in) -> list:
    return [AtThePage(site, site_alice), OverREST(alices), AtTheCommandLine(logged_in)]


@pytest.fixture
def before(alices) -> Callable[..., dict]:
    """Make the key of an operation while there is no rule yet, and return it as it is when the rule comes."""

    def make(operation: str, like: dict[str, Any]) -> dict:
        alices.create_key("other")  # one more than the rule for the number of keys allows
        if operation == "edit":  # it keeps to the rule, and shall not do so any more
            key = alices.create_key("mine", expires_at=in_days(30))
        else:
            key = alices.create_key("mine", expires_at=in_days(like.get("days")), networks=like.get("networks", []))
        if operation.startswith("enable"):
            assert alices.post(f"/v1/apikeys/{key['id']}/disable").status_code == 204
        if operation == "restore":
            assert alices.delete(f"/v1/apikeys/{key['id']}").status_code == 204
        return dict(alices.get(f"/v1/apikeys/{key['id']}").json()) if operation != "restore" else key

    return make


@pytest.mark.parametrize(("operation", "rule"), TABLE)
def test_a_rule_is_told_in_one_sentence_at_every_door_and_nothing_is_done(
    operation, rule, alices, before, doors, set_rules
):
    rules, sentence = SENTENCES[rule]
    like = BREAKING.get(rule, {})
    key = before(operation, like)
    listed = alices.listed()
    set_rules(**rules)

    for door in doors:
        if operation == "create":
            door.create(sentence, **like)
        elif operation == "edit":
            door.edit(sentence, key, **like)
        else:
            getattr(door, operation)(sentence, key)

    assert alices.listed() == listed
