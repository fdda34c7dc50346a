"""IAM's JSON and the domain's words, one into the other; no Django."""

import json
from datetime import UTC, datetime

from apikeys.domain import IssuedApiKey

KEY_FILE_NAME = "apikey.json"


def format_date(moment: datetime) -> str:
    """Return the moment as IBM writes it: `2026-02-19T18:59+0000`, UTC, to the minute."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M+0000")


def key_file(issued: IssuedApiKey) -> str:
    """Return the file that the page offers: four fields in IBM's order, indented with tabs."""
    fields = {
        "name": issued.key.name,
        "description": issued.key.description,
        "createdAt": format_date(issued.key.created_at),
        "apikey": issued.value,
    }
    return json.dumps(fields, ensure_ascii=False, indent="\t") + "\n"
