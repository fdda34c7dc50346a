"""An export of a list of keys: what a record tells of each key, as JSON and as CSV. No Django, no value of a key."""

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from apikeys.domain import ApiKey, Owner
from apikeys.iam import payloads

BYTE_ORDER_MARK = "\ufeff"  # by which spreadsheets know UTF-8
COLUMNS = (
    "id", "name", "hint", "description", "owner", "owner_user_id", "iam_id", "status", "locked", "disabled", "leaked",
    "created_at", "created_by", "modified_at", "expires_at", "last_used_at", "use_count", "scope", "networks",
)  # fmt: skip
# Where a spreadsheet would begin to compute: at the beginning of a cell, and behind what separates cells where its
# language does so by other characters. An apostrophe is there too, so that each that is added can be taken away.
_COMPUTED = re.compile(r"(^|[;\t\r\n])(?=[\s\"]*[=+\-@＝＋－＠'])")


class Format(StrEnum):
    """What an export can be."""

    CSV = "csv"
    JSON = "json"


def record(key: ApiKey, owner: Owner) -> dict[str, Any]:
    """Return what an export tells of a key, by COLUMNS: moments in UTC as text, None for what there is not."""
    told = {**payloads.owner(owner), "status": str(key.status)}
    return {name: _json(told[name] if name in told else getattr(key, name)) for name in COLUMNS}


def _json(value: object) -> object:
    return payloads.format_second(value) if isinstance(value, datetime) else value


def head(form: Format, columns: Sequence[str] = COLUMNS) -> str:
    """Return what comes before the first record."""
    return csv_line(columns) if form is Format.CSV else "["


def lines(form: Format, records: Iterable[Mapping[str, Any]], *, begun: bool, columns: Sequence[str] = COLUMNS) -> str:
    """Return the text of records; `begun` tells whether others come before them."""
    if form is Format.CSV:
        return "".join(csv_line([cell(found.get(name)) for name in columns]) for found in records)
    separator = ",\n" if begun else "\n"
    text = ",\n".join(json.dumps(found, ensure_ascii=False) for found in records)
    return separator + text if text else ""


def tail(form: Format) -> str:
    """Return what comes after the last record."""
    return "" if form is Format.CSV else "\n]\n"


def cell(value: object) -> str:
    """Return a value as a cell that no spreadsheet computes: an apostrophe stands before what one would."""
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else _COMPUTED.sub(r"\1'", str(value))


def csv_line(cells: Iterable[str]) -> str:
    """Return a line of CSV (RFC 4180), each cell between quotes, so that whatever else separates cells does not."""
    line = io.StringIO()
    csv.writer(line, quoting=csv.QUOTE_ALL).writerow(cells)
    return line.getvalue()
