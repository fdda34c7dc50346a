"""Compression of pages that nobody can read by their length.

Where a page holds a secret and also something of a stranger's choice, its length tells the stranger about the secret
(BREACH). So nothing is compressed but what a view says is free of one of the two. A CSRF token is none: it is masked
anew in each answer.
"""

import brotli  # type: ignore[import-untyped]
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers
from django.utils.text import compress_string

QUALITY = 4  # 5 makes a list 500 bytes smaller, and takes half as long again
MOST_PADDING = 100  # random bytes that gzip adds, so that one length tells less


def compressed(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Compress a whole answer as far as the client takes it.

    Only for what reflects nothing of its request, no value, and no text of other people; a query would be reflected,
    because the menu bar holds the address of the page.
    """
    patch_vary_headers(response, ("Accept-Encoding",))
    accepted = _accepted(request.headers.get("Accept-Encoding", ""))
    if "br" in accepted:
        response.content = brotli.compress(response.content, mode=brotli.MODE_TEXT, quality=QUALITY)
        response.headers["Content-Encoding"] = "br"
    elif "gzip" in accepted:
        response.content = compress_string(response.content, max_random_bytes=MOST_PADDING)
        response.headers["Content-Encoding"] = "gzip"
    return response


def _accepted(header: str) -> set[str]:
    """Return the codings that an Accept-Encoding names, without those it refuses."""
    named = (coding.replace(" ", "").lower().partition(";q=") for coding in header.split(","))
    return {name for name, _mark, weight in named if weight.strip("0.") or not weight}
