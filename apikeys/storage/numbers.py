"""Numbers in JSON, in one form whatever database they come from."""

from typing import Any


def plain(told: Any) -> Any:
    """Return what JSON holds with each number in one form: PostgreSQL keeps 1e2 as 100."""
    if isinstance(told, dict):
        return {name: plain(part) for name, part in told.items()}
    if isinstance(told, list):
        return [plain(part) for part in told]
    return int(told) if isinstance(told, float) and told.is_integer() else told
