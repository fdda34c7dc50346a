"""Programs that use a console without a pause while something happens to it, and what they found."""

import secrets
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Self

import requests

from tests.programs import API_KEY_GRANT, Program
from tests.waiting import until

SECONDS = 30  # for one answer
PATIENCE = 60.0  # seconds; a program gives up on a request that was refused for as long
PAUSE = 0.2  # seconds before a refused request is sent again
GONE = 404
KEPT = 3  # one key of so many is kept, the others are deleted


@dataclass
class Findings:
    """What the programs of a load found.

    `failed` counts requests without an answer and answers of 429 or 5xx, and `failed_at` says when; `wrong` are
    other answers that nobody expected. `lost` are ids of keys that did not work although their creation, and
    `accepted` of keys that worked although their deletion, had been acknowledged.
    """

    answered: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    failed_at: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    created: int = 0
    deleted: int = 0
    lost: set[str] = field(default_factory=set)
    accepted: set[str] = field(default_factory=set)

    @property
    def seconds_of_failures(self) -> float:
        return max(self.failed_at) - min(self.failed_at) if self.failed_at else 0.0

    @property
    def broken_promises(self) -> list[str]:
        return [*self.wrong, *(f"lost: {key}" for key in self.lost), *(f"accepted: {key}" for key in self.accepted)]


class Load:
    """One thread for each program while `with` lasts; a request that fails is sent again, a creation as the same one.

    `kept` and `gone` are the values of keys whose creation, or deletion, was acknowledged, by id.
    """

    def __init__(self, url: str, programs: list[Program]) -> None:
        self.url = url
        self.found = Findings()
        self.kept: dict[str, str] = {}
        self.gone: dict[str, str] = {}
        self.over = threading.Event()
        self.lock = threading.Lock()
        self.errors: list[BaseException] = []
        self.threads = [threading.Thread(target=self._run, args=(program,)) for program in programs]

    def __enter__(self) -> Self:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join()

    def wait_for(self, rounds: int) -> None:
        """Wait until so many more keys were created and looked up by all programs together."""
        enough = self.found.created + rounds
        until(lambda: self.errors or self.found.created >= enough, 2 * PATIENCE)
        assert not self.errors, self.errors

    def check_all(self) -> Findings:
        """Ask for every key again, once the programs have ended, and return what was found in all."""
        assert not self.errors, self.errors
        user = User(self, Program(self.url))
        for key_id, value in self.kept.items():
            user.must_work(key_id, value)
        for key_id, value in self.gone.items():
            user.must_be_refused(key_id, value)
        return self.found

    def _run(self, program: Program) -> None:
        try:
            user = User(self, program)
            number = 0
            while not self.over.is_set():
                number += 1
                user.use_a_key(keep=number % KEPT == 0)
        except BaseException as exc:  # noqa: BLE001  (the test looks at it)
            self.errors.append(exc)


class User:
    """What one program does, along one connection that is kept alive."""

    def __init__(self, load: Load, program: Program) -> None:
        self.load, self.program = load, program
        self.session = requests.Session()
        self.session.trust_env = False

    def use_a_key(self, *, keep: bool) -> None:
        """Create a key and use it in each way; delete it, unless it is kept, and try it again."""
        once = {"Idempotency-Key": secrets.token_hex(16)}
        body = {"name": "robot", "iam_id": self.program.iam_id}
        created = self.ask("POST", "/v1/apikeys", {201}, headers=once, json=body)
        if created is None:
            return
        key_id, value = created["id"], created["apikey"]
        with self.load.lock:
            self.load.kept[key_id] = value
            self.load.found.created += 1
        token = self.must_work(key_id, value)
        self.ask("GET", "/v1/apikeys/details", {200}, headers={"IAM-Apikey": value})
        self.ask("GET", "/v1/apikeys?pagesize=10", {200})
        self.ask("POST", "/identity/introspect", {200}, data={"token": token})
        if keep:
            return
        with self.load.lock:
            del self.load.kept[key_id]  # whether it works is open until the deletion is acknowledged
        # One that was done, but whose answer was lost, finds no key when it is sent again.
        self.ask("DELETE", f"/v1/apikeys/{key_id}", {204, GONE})
        with self.load.lock:
            self.load.gone[key_id] = value
            self.load.found.deleted += 1
        self.must_be_refused(key_id, value)

    def must_work(self, key_id: str, value: str) -> str:
        """Exchange a value and return the access token, blank where the key was lost."""
        answer = self.exchange(value)
        if "access_token" not in answer:
            self.load.found.lost.add(key_id)
        return str(answer.get("access_token", ""))

    def must_be_refused(self, key_id: str, value: str) -> None:
        if "access_token" in self.exchange(value):
            self.load.found.accepted.add(key_id)

    def exchange(self, value: str) -> dict[str, Any]:
        form = {"grant_type": API_KEY_GRANT, "apikey": value}
        return self.ask("POST", "/identity/token", {200, 400, 401}, data=form, headers={"Authorization": None}) or {}

    def ask(self, method: str, path: str, expected: set[int], **request: Any) -> dict[str, Any] | None:
        """Send a request until it is answered, and return the body; None where that is not what is expected."""
        headers = {"Authorization": f"Bearer {self.program.token}"} | request.pop("headers", {})
        give_up = time.monotonic() + PATIENCE
        while True:
            failure = ""
            try:
                answer = self.session.request(
                    method, f"{self.load.url}{path}", headers=headers, timeout=SECONDS, **request
                )
                if answer.status_code == 429 or answer.status_code >= 500:
                    failure = str(answer.status_code)
            except requests.RequestException as exc:
                failure = type(exc).__name__
            with self.load.lock:
                if not failure:
                    self.load.found.answered += 1
                    break
                self.load.found.failed[failure] += 1
                self.load.found.failed_at.append(time.monotonic())
            assert time.monotonic() < give_up, f"{method} {path}: {failure} for {PATIENCE:.0f} seconds"
            time.sleep(PAUSE)
        if answer.status_code not in expected:
            self.load.found.wrong.append(f"{method} {path}: {answer.status_code}")
            return None
        return dict(answer.json()) if answer.content else {}
