"""A change of a record: the fields that are given, and no others."""

from dataclasses import dataclass, fields
from enum import Enum


class Unset(Enum):
    """The value of a field that was not given, where None has a meaning of its own."""

    UNSET = "unset"


UNSET = Unset.UNSET


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to change of a record; a field that is not given stays as it is."""

    def given(self) -> dict[str, object]:
        """Return the fields that were given, by name."""
        unset = {field.name: field.default for field in fields(self)}
        return {name: getattr(self, name) for name in unset if getattr(self, name) is not unset[name]}
