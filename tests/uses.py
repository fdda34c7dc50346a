"""Uses of values: whether one is good, and counting that begins with nothing."""

import pytest

from apikeys import exceptions
from apikeys.domain import Origin
from apikeys.identity import tokens
from apikeys.usage import counting


@pytest.fixture
def nothing_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what other tests of this process counted."""
    monkeypatch.setattr(counting, "_counters", {})


def works(value: str, agent: str = "curl/8") -> bool:
    """Tell whether a program that shows a value is let in."""
    try:
        tokens.authenticate(value, Origin("192.0.2.1", agent, "request"))
    except exceptions.ValueNotFound:
        return False
    return True
