"""Reports of keys found in public, in the shape of GitHub's secret-scanning partner notice.

The signature, ECDSA P-256 with SHA-256 over the raw body, is checked before a byte of the JSON is read.
"""

import base64
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from django.conf import settings
from django.db import transaction

from apikeys import audit
from apikeys.backends import leaking
from apikeys.domain import Caller, Identity
from apikeys.exceptions import BadRequest, Unauthenticated
from apikeys.exceptions import gettext_noop as _
from apikeys.iam.payloads import without_surrogates
from apikeys.services.deletion import record_deletion
from apikeys.storage.reserve import revocation
from apikeys.values import MASK, MIN_OWN_VALUE, mask_origin

MAX_REPORTS = 1000
REPORTER = Identity(iam_id="leak-report", account_id="", name="Leak report", email="")


@dataclass(frozen=True, slots=True)
class Report:
    """One value that somebody found, and where."""

    token: str = field(repr=False)
    type: str
    url: str
    source: str


def check_signature(body: bytes, key_identifier: str, signature: str) -> None:
    """Raise Unauthenticated unless `signature`, base64 of DER, is that of the named key over the body."""
    try:
        key = load_pem_public_key(settings.LEAK_REPORT_KEYS[key_identifier].encode())
        if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
            raise ValueError
        key.verify(base64.b64decode(signature, validate=True), body, ECDSA(SHA256()))
    except (KeyError, InvalidSignature, ValueError):
        raise Unauthenticated(_("The signature of the report is missing or not valid.")) from None


def parse_reports(body: bytes) -> list[Report]:
    """Read the list of `{token, type, url, source}`. Raises BadRequest."""
    try:
        entries = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        entries = None
    if not isinstance(entries, list) or len(entries) > MAX_REPORTS:
        raise BadRequest("body", _("The body is not a list of reports."))
    return [_report(entry) for entry in entries]


def _report(entry: Any) -> Report:
    if not isinstance(entry, dict) or not isinstance(entry.get("token"), str):
        raise BadRequest("token", _("A report has no token."))
    texts = {
        name: without_surrogates(str(entry.get(name) or ""))[:1000].replace("\0", " ")
        for name in ("type", "url", "source")
    }
    return Report(token=without_surrogates(entry["token"]), **texts)


def act_on_all(reports: list[Report], caller: Caller) -> set[str]:
    """Act on each report, and return the values that were keys of this server, also those whose key is deleted now."""
    known = {report.token for report in reports if act_on(report, caller)}
    audit.record(caller, audit.LEAK_REPORT, reports=len(reports), keys=len(known))
    return known


@revocation
def act_on(report: Report, caller: Caller) -> bool:
    """Do to a reported key, also a locked one, what its `action_when_leaked` says; tell whether it is or was one."""
    with transaction.atomic():
        # The source is a word or two by nature. A longer one is masked: it may be the value itself.
        source = report.source if len(report.source) < MIN_OWN_VALUE else MASK
        # Of the address only the host is kept: the value may be a part of the rest.
        leaked = leaking.act_on(report.token, caller.identity, [source, mask_origin(host_of(report.url))])
        if leaked is None:
            return False
        told: dict[str, Any] = {"leaked": True, "source": source}
        if leaked.is_deleted:
            record_deletion(caller, leaked.key, **told)
        else:
            audit.record(caller, audit.UPDATE, target=leaked.key, **told)
    return True


def host_of(url: str) -> str:
    """Return the host that a URL names, "" where it names none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def token_hash(token: str) -> str:
    """Return base64 of SHA-256: what GitHub's feedback takes in place of the value itself."""
    return base64.b64encode(hashlib.sha256(token.encode()).digest()).decode()
