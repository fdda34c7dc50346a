"""The claims of an access token. No signature is checked: only for tokens that came from their issuer directly."""

import base64
import json
from typing import Any

from apikeys.iam.payloads import text_of


def claims_of(access_token: str) -> dict[str, Any]:
    """Return the claims of an access token, {} for no JWT."""
    try:
        body = access_token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (IndexError, ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}


def account_of(access_token: str) -> str:
    """Return the account that an access token is for, "" for none."""
    account = claims_of(access_token).get("account")
    return claim(account, "bss")[:32] if isinstance(account, dict) else ""


def claim(claims: dict[str, Any], name: str) -> str:
    """Return a claim that is text, at most 150 characters that a database can hold, "" for anything else."""
    return text_of(claims, name)[:150].replace("\0", "")
