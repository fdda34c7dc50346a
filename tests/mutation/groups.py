"""Which modules are changed, and by which tests that is to be noticed: those where one looks first."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Group:
    """Modules, without `.py`, and files of `tests/`, without `test_` and `.py`."""

    name: str
    modules: tuple[str, ...]
    tests: tuple[str, ...]

    @property
    def paths(self) -> list[str]:
        return [f"{module}.py" for module in self.modules]

    @property
    def test_paths(self) -> list[str]:
        return [str(Path("tests", test).with_name(f"test_{Path(test).name}.py")) for test in self.tests]


def within(folder: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{folder}/{name}" for name in names)


GROUPS = (
    Group(
        "hand-over",
        (*within("apikeys/services", "delivery", "creation"), "apikeys/values", "apikeys/sealing"),
        (
            "sealing",
            "values",
            "masking",
            "handover_states",
            "handover",
            "services",
            "key_rotations",
            "found_values",
            "rotation",
            "upstream/iam_reservations",
        ),
    ),
    Group(
        "tokens",
        within("apikeys/identity", "tokens", "lookups", "signing", "peppers"),
        (
            "tokens",
            "lookups",
            "signing_keys",
            "peppers",
            "clock",
            "limited_keys",
            "refusals",
            "passcodes",
        ),
    ),
    Group(
        "limits",
        (*within("console/log_in", "limiter", "passwords", "devices", "auth"), "apikeys/api/bad_values"),
        ("login_limits", "passwords", "bad_values", "login", "passcodes", "clock"),
    ),
    Group(
        "factors",
        (
            *within("console/factors", "proofs", "totp", "recovery", "passkeys", "passcodes"),
            *within("console/factors", "asked_again", "second_step", "enrolled", "changes"),
            *("console/sessions", "console/active_sessions/sessions"),
        ),
        ("factors", "passkeys", "passcodes", "asked_again", "session_limits", "sessions", "account", "key_rotations"),
    ),
    Group(
        "stores",
        within(
            "apikeys/backends",
            *("embedded", "records", "rotation", "deletion", "holding", "revoking", "leaking", "rules"),
        ),
        ("embedded_backend", "rotation", "restoring", "containment", "revoking", "leaks", "rules", "retention"),
    ),
    Group("audit", within("apikeys/audit", "chain", "recording"), ("audit_chain", "services", "audit_lines")),
    Group("sign-on", within("console/single_sign_on", "id_tokens", "trips", "identities"), ("single_sign_on",)),
    Group("webhooks", within("console/webhooks", "signing", "receivers"), ("webhook_receivers", "webhooks")),
    Group("kept", ("console/backup/container", "console/people/links"), ("backup", "people")),
)
