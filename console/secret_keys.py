"""SECRET_KEY and the former ones: the file that a start generates them in, and what is no secret at all.

The first line of the file is the key. Each further line is a former one, which opens what it made and makes nothing
new, or, after the word `next`, the one that is to come: processes that know it already can open what others make with
it, so that no moment of a rotation has two processes of which one can't read what the other wrote.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from console.env import private_lines, write_private

LEAST = 50  # characters
LEAST_DIFFERENT = 5
NEXT = "next "


def fault_of(key: str, *, least: int = LEAST) -> str:
    """Return what is wrong with a key, in words that follow its name; "" for one that may be random.

    The example of some project, or a short text again and again, is as long as it has to be and known to others.
    """
    if len(key) < least:
        return f"is too short: use {least} random characters or more."
    if key.startswith("django-insecure-"):
        return "is one that Django made for trying: generate one that nobody else has, or leave it out."
    if len(set(key)) < LEAST_DIFFERENT or (key + key).find(key, 1) < len(key):
        return f"is no random text: use {least} random characters or more, or leave it out."
    return ""


@dataclass(frozen=True)
class SecretKeys:
    """What the file holds; `coming` is "" unless a rotation has begun."""

    current: str
    coming: str = ""
    former: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: Path) -> "SecretKeys":
        """Return what a file has. Raises ImproperlyConfigured as `private_lines` does."""
        current, *others = private_lines(path, path.name)
        coming = [line.removeprefix(NEXT) for line in others if line.startswith(NEXT)]
        former = tuple(line for line in others if not line.startswith(NEXT))
        return cls(current, coming[0] if coming else "", former)

    def write(self, path: Path) -> None:
        """Replace the file. Raises OSError."""
        lines = [self.current, *([NEXT + self.coming] if self.coming else []), *self.former]
        write_private(path, "".join(f"{line}\n" for line in lines))

    @property
    def fallbacks(self) -> list[str]:
        """The keys that open and verify beside the current one."""
        return [*([self.coming] if self.coming else []), *self.former]

    def begin(self, key: str) -> "SecretKeys":
        return replace(self, coming=key)

    def change(self) -> "SecretKeys":
        """Make the key that is to come the current one."""
        return SecretKeys(self.coming, "", (self.current, *self.former))

    def forget(self) -> "SecretKeys":
        return replace(self, former=())
