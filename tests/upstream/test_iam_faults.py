"""A console while the IAM behind it fails: what each page says, what stays, and that it recovers by itself."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
import requests

from tests import fault_server as faults
from tests.addresses import CREATE, KEYS, delete_address, details_address, edit_address
from tests.fault_server import NOT_IAMS, Fault, FaultServer
from tests.markup import fields, page
from tests.neighbours import Silent, make_certificates
from tests.upstream import HTMX, ConsoleWithUpstream, Visitor, arrive

pytestmark = pytest.mark.once

LATE = "did not answer in time."
BROKEN = "closed the connection before it answered."
NO_WORDS = "and no explanation. Check the URL, or try again later."
BUSY = "is receiving too many requests. Wait a moment, then try again."
OF_ITS_OWN = "reported an internal error: An internal error occurred. (transaction trace-of-v1). Try again shortly."
MAY_BE_MADE = "It may exist: look for it in the list."
TYPED, WORDS = "o'neill<b>&\" typed", "What was typed into the form"
READING, WRITING = ("list", "get", "limits", "details"), ("create", "update", "delete", "lock", "disable")

# Fault, what the pages say, and whether a creation is certain not to have happened.
TABLE = {
    "silence": (faults.SILENT, LATE, False),
    "a reset before reading": (faults.RESET_UNREAD, BROKEN, False),
    "a reset after reading": (faults.RESET, BROKEN, False),
    "a body that is cut off": (Fault((200, {}, b"x" * 99), cut=40), BROKEN, False),
    "no HTTP": (faults.GARBLED, BROKEN, False),
    "429": (faults.too_many("0"), BUSY, True),
    "429 for hours": (faults.TOO_MANY_FOR_HOURS, BUSY, True),
    "500": (faults.ERROR_500, OF_ITS_OWN, False),
    "502 in HTML": (faults.ERROR_502, NO_WORDS, False),
    "503 without words": (faults.ERROR_503, NO_WORDS, False),
    "JSON that ends early": (faults.CUT_JSON, NOT_IAMS, False),
    "a list": (faults.A_LIST, NOT_IAMS, False),
    "an empty object": (faults.EMPTY_OBJECT, NOT_IAMS, False),
    "a website": (faults.HTML_200, NOT_IAMS, False),
    "a redirect": (faults.REDIRECT, NO_WORDS, True),
}


@dataclass
class Visit:
    """Somebody who does one thing while IAM fails, with or without script."""

    person: Visitor
    key: dict
    is_htmx: bool

    @property
    def headers(self) -> dict[str, str]:
        return HTMX if self.is_htmx else {}

    def post(self, address: str, **typed: str) -> requests.Response:
        """Send a form of an address that was drawn before IAM failed."""
        return self.person.post(address, data=self.form | typed, headers=self.headers)

    def prepare(self, name: str) -> None:
        self.form = {}
        if name == "create":
            self.form = self.person.create_form() | {"name": TYPED, "description": WORDS}
        elif name in ("save", "delete it", "lock it"):
            address = delete_address(self.key["id"]) if name == "delete it" else edit_address(self.key["id"])
            self.form = fields(page(self.person.get(address, headers=HTMX)).find_all("form")[0])


ACTS: dict[str, Callable[[Visit], requests.Response]] = {
    "list": lambda v: v.person.get(KEYS, headers=v.headers),
    "search": lambda v: v.person.get(f"{KEYS}?q=terra", headers=v.headers),
    "dashboard": lambda v: v.person.get("/", headers=v.headers),
    "details": lambda v: v.person.get(details_address(v.key["id"]), headers=v.headers),
    "edit": lambda v: v.person.get(edit_address(v.key["id"]), headers=v.headers),
    "delete": lambda v: v.person.get(delete_address(v.key["id"]), headers=v.headers),
    "create": lambda v: v.post(CREATE),
    "save": lambda v: v.post(edit_address(v.key["id"]), name=TYPED, description=WORDS),
    "delete it": lambda v: v.post(delete_address(v.key["id"])),
    "lock it": lambda v: v.post(f"{details_address(v.key['id'])}lock/"),
}
CHANGES = ("create", "save", "delete it", "lock it")


@pytest.fixture(scope="module")
def visits(console) -> dict[tuple[str, bool], Visit]:
    """One visitor for each act, with and without script, all logged in before anything fails."""
    everybody = [(name, is_htmx) for name in ACTS for is_htmx in (False, True)]
    people = arrive(console, len(everybody))
    return {
        place: Visit(person, console.iam.add_key(person.iam_id, "terraform"), place[1])
        for place, person in zip(everybody, people, strict=True)
    }


def all_at_once(visits: dict, act: Callable) -> dict:
    with ThreadPoolExecutor(len(visits)) as pool:
        return dict(zip(visits, pool.map(act, visits), strict=True))


def typed_text(response) -> tuple[str, str]:
    form = fields(page(response).find_all("form", method="post")[-1])
    return form.get("name", ""), form.get("description", "")


def answers_while(console: ConsoleWithUpstream, fault: Fault, kinds: tuple[str, ...], visits: dict) -> dict:
    """Return what everybody is answered who sends what was drawn before IAM failed at such requests."""
    for (act, _is_htmx), visit in visits.items():
        visit.prepare(act)
    for kind in kinds:
        console.iam.fail(kind, fault, times=1000)
    answers = all_at_once(visits, lambda place: ACTS[place[0]](visits[place]))
    console.iam.heal()
    return answers


def assert_said(answers: dict, name: str) -> None:
    """Fail unless each answer says what happened and keeps what was typed."""
    _fault, said, is_certain = TABLE[name]
    for (act, is_htmx), answer in answers.items():
        lost = act == "create" and not is_certain
        assert answer.status_code == (200 if act == "dashboard" else 502 if lost else 503), (act, is_htmx)
        assert (MAY_BE_MADE if lost else said) in page(answer).raw, (act, is_htmx)
        if act in ("create", "save") and not lost:
            assert typed_text(answer) == (TYPED, WORDS), (act, is_htmx)


@pytest.mark.parametrize("name", TABLE)
def test_each_page_says_what_happened_keeps_what_was_typed_and_works_again_afterwards(console, visits, name):
    answers = answers_while(console, TABLE[name][0], (*READING, *WRITING), visits)
    afterwards = all_at_once(visits, lambda place: visits[place].person.get(KEYS))

    assert_said(answers, name)
    assert {place: answer.status_code for place, answer in afterwards.items()} == dict.fromkeys(visits, 200)
    assert all("terraform" in answer.text for answer in afterwards.values())


@pytest.mark.parametrize("name", ["a reset after reading", "500", "502 in HTML", "a website", "a redirect", "429"])
def test_a_change_that_alone_fails_says_so_and_can_be_made_again(console, visits, name):
    changing = {place: visit for place, visit in visits.items() if place[0] in CHANGES}

    answers = answers_while(console, TABLE[name][0], WRITING, changing)
    saved = changing["save", False].post(edit_address(changing["save", False].key["id"]))

    assert_said(answers, name)
    assert saved.status_code == 303
    assert {visit.key["id"] for visit in changing.values()} <= set(console.iam.keys)


@pytest.mark.parametrize("address", ["/", KEYS])
def test_a_page_that_could_not_be_filled_offers_to_try_again(console, anna, address):
    console.iam.fail("list", faults.ERROR_500, times=3)

    tree = page(anna.get(address))

    [again] = [link for link in tree.find_all("a") if link.text == "Try again"]
    assert anna.get(again["href"]).status_code == 200


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("a closed port", "There is no connection to 127.0.0.1:"),
        ("a private authority", "is not trusted."),
        ("nowhere", "There is no connection to iam.invalid. Check the URL and the network."),
    ],
)
def test_an_iam_that_cannot_be_reached_at_all_is_told_to_who_logs_in(tmp_path, where, said):
    with Silent() as gone:
        pass
    with FaultServer(make_certificates(tmp_path)[1]) as private:
        urls = {"a closed port": gone.url, "a private authority": private.url, "nowhere": "https://iam.invalid"}
        with ConsoleWithUpstream(tmp_path / "data", private, IAM_URL=urls[where], ACCOUNTS_URL="") as lonely:
            anna = Visitor(lonely, logs_in=False)
            refused = anna.enter()

    assert refused.status_code == 503
    assert said in page(refused).find(id="refusal").raw
    assert page(refused).find("input", name="username")["value"] == anna.username
    assert "Traceback" not in lonely.log
    assert private.asked == []


# Log-ins in the middle of it


def test_a_token_that_was_refused_once_is_renewed_and_nobody_notices(console, anna):
    console.iam.add_key(anna.iam_id, "terraform")
    console.iam.expire_access_tokens()

    answers = [anna.get(KEYS), anna.get("/")]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert "terraform" in answers[0].text


def test_tokens_that_are_always_refused_lead_to_log_in_and_back(console, anna):
    ben = Visitor(console, "ben")
    console.iam.fail("list", faults.EXPIRED, times=10)

    plain = anna.get(f"{KEYS}?q=terra", allow_redirects=False)
    fragment = ben.get(KEYS, headers=HTMX)
    console.iam.heal()

    assert (plain.status_code, fragment.status_code) == (302, 401)
    assert plain.headers["Location"] == f"/login/?next={KEYS}%3Fq%3Dterra"
    assert fragment.headers["HX-Redirect"].startswith("/login/?next=")
    assert "has ended. Log in again." in anna.get(plain.headers["Location"]).text


# Recorded answers


def test_what_ibm_answers_shows_in_the_page(console, anna):
    used = {"last_authn": "2026-02-19T18:59+0000", "authn_count": 3}
    expired = {"expires_at": "2020-01-31T18:30+0000"}
    said = {"leaked": True, "support_sessions": True, "action_when_leaked": "disable", "activity": used}
    leaked = console.iam.add_key(anna.iam_id, "leaked one", **said)
    console.iam.add_key(anna.iam_id, "expired one", **expired)
    bare = console.iam.add_key(anna.iam_id, "bare one")
    for optional in ("description", "modified_at", "disabled", "support_sessions", "action_when_leaked", "leaked"):
        del bare[optional]

    listed = page(anna.get(KEYS))
    shown = page(anna.get(details_address(leaked["id"]), headers=HTMX))

    rows = {row.find("th").text: row.text for row in listed.find("tbody").find_all("tr")}
    assert "Leaked" in rows["leaked one"]
    assert "Expired" in rows["expired one"]
    assert "Active" in rows["bare one"]
    facts = dict(zip(shown.find_all("dt"), shown.find_all("dd"), strict=True))
    facts = {name.text: " ".join(fact.text.split()) for name, fact in facts.items()}
    assert facts["Supports sessions"] == "Yes"
    assert facts["If the key leaks"] == "Disable it at once"
    assert "used 3 times" in facts["Last used"]
    assert [entry.text.split()[0] for entry in shown.find("ol").find_all("li")] == ["Created"]
