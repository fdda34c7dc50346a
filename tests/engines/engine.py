"""What the journey asks of an engine, whatever protocol drives it; actions are those of W3C's WebDriver in both."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

SECONDS = 20
CONTROL = "\ue009"

Action = dict[str, Any]
Result = TypeVar("Result")


class Engine(Protocol):
    """Started by `with`; all its files are below `folder`, what it downloads in `downloads`."""

    folder: Path
    downloads: Path
    restores_tabs: bool  # whether `start_again` brings back what was open

    def open(self, url: str) -> None: ...
    def back(self) -> None: ...
    def forward(self) -> None: ...
    def reload(self) -> None: ...
    def act(self, actions: list[Action]) -> None: ...

    def evaluate(self, function: str, *arguments: str) -> Any:
        """Return what the JavaScript function returns in the page."""

    def close(self) -> None:
        """End the browser as its user does, so that it writes what it keeps."""

    def start_again(self, url: str) -> None:
        """End the browser as a power cut does, start it with its last tabs, and look at the one at `url`."""


def as_json(function: str) -> str:
    return f"(...given) => JSON.stringify(({function})(...given) ?? null)"


def from_json(text: str) -> Any:
    return json.loads(text)


def click_at(x: int, y: int) -> list[Action]:
    steps = [{"type": "pointerMove", "x": x, "y": y}, {"type": "pointerDown", "button": 0}]
    return [{"type": "pointer", "id": "mouse", "actions": [*steps, {"type": "pointerUp", "button": 0}]}]


def keys(text: str, held: str = "") -> list[Action]:
    """Press and release each key in turn, while `held` is down."""
    strokes = [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")]
    down, up = ([{"type": kind, "value": key} for key in held] for kind in ("keyDown", "keyUp"))
    return [{"type": "key", "id": "keyboard", "actions": [*down, *strokes, *up]}]


def wait_for(look: Callable[[], Result], what: str) -> Result:
    """Look again and again until something is there, and return it."""
    deadline = time.monotonic() + SECONDS
    while not (seen := look()):
        assert time.monotonic() < deadline, f"Not in {SECONDS} seconds: {what}"
        time.sleep(0.05)
    return seen
