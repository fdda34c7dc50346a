"""What browsers report of a page that tried what its policy forbids: told in the log, and kept nowhere."""

import json
import logging
import re
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from apikeys.values import mask_path

MOST_BYTES = 16 * 1024
MOST_REPORTS = 20  # of one request
LINES_A_MINUTE = 20  # of this process: anybody can send reports
WORD = re.compile(r"[a-z][a-z-]{0,39}")

logger = logging.getLogger(__name__)


@csrf_exempt  # browsers send reports without a token
@login_not_required
@require_POST
def csp_reports(request: HttpRequest) -> HttpResponse:
    """Take reports in either of the two forms that browsers send; 204 also for what is none, which nobody would read.

    Of a report the directive, the page's path, and the scheme and host of what was blocked are told. Its sample, which
    can be a piece of a value, and the queries of its addresses are dropped unread.
    """
    if len(request.body) <= MOST_BYTES:
        for directive, page, blocked in _told(request.body):
            if _lines.may_write():
                logger.warning("A page broke its policy: %s, on %s, blocked: %s", directive, page, blocked)
    return HttpResponse(status=204)


def _told(body: bytes) -> Iterator[tuple[str, str, str]]:
    try:
        sent = json.loads(body)
    except (ValueError, RecursionError):
        return
    for report in (sent if isinstance(sent, list) else [sent])[:MOST_REPORTS]:
        found = report.get("csp-report", report.get("body")) if isinstance(report, dict) else None
        if not isinstance(found, dict):
            continue
        directive = _word(found, "effective-directive", "effectiveDirective", "violated-directive")
        if directive:
            page, blocked = _address(found, "document-uri", "documentURL"), _address(found, "blocked-uri", "blockedURL")
            yield directive, _path(page), _source(blocked)


def _word(report: dict[str, Any], *names: str) -> str:
    texts = [str(report.get(name, "")) for name in names]
    return next((found[0] for found in map(WORD.match, texts) if found), "")


def _address(report: dict[str, Any], *names: str) -> str:
    return next((text for name in names if isinstance(text := report.get(name), str)), "")


def _path(address: str) -> str:
    try:
        path = urlsplit(address).path
    except ValueError:
        path = ""
    return mask_path(path)[:200] if path.isprintable() and path else "(no page)"


def _source(blocked: str) -> str:
    """Return "inline" and its like, or the scheme and host of an address."""
    if WORD.fullmatch(blocked):
        return blocked
    try:
        parts = urlsplit(blocked)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "(no address)"
    host = parts.hostname or ""
    if not WORD.fullmatch(parts.scheme) or not re.fullmatch(r"[a-z0-9.:-]{0,100}", host):
        return "(no address)"
    return f"{parts.scheme}://{mask_path(host)}{port}" if host else f"{parts.scheme}:"


class _Lines:
    """So many lines in a minute; what is beyond is counted, and told with the first line of the next."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._minute, self._count = 0, 0

    def may_write(self) -> bool:
        with self._lock:
            minute = int(time.monotonic() // 60)
            if minute != self._minute:
                if self._count > LINES_A_MINUTE:
                    logger.warning("%d more reports of broken policies were not told", self._count - LINES_A_MINUTE)
                self._minute, self._count = minute, 0
            self._count += 1
            return self._count <= LINES_A_MINUTE


_lines = _Lines()
