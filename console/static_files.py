"""What pages load, made small where static files are collected: the scripts, as one file, and the styles."""

import base64
import hashlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import rjsmin  # type: ignore[import-untyped]
from django.contrib.staticfiles import finders
from django.core.files.base import ContentFile
from whitenoise.storage import CompressedManifestStaticFilesStorage  # type: ignore[import-untyped]

SCRIPTS = "scripts.js"
# In this order: later ones use what earlier ones declare.
SOURCES = ("console.js", "menus.js", "list.js", "handover.js", "passkeys.js", "django_htmx/htmx-2.min.js", "htmx.js")
STYLES = "console.css"


def scripts() -> bytes:
    """Return all scripts, one after the other, without comments and blanks. Raises FileNotFoundError."""
    sources = {path: _source(path) for path in SOURCES}
    return b"\n".join(source if ".min." in path else rjsmin.jsmin(source) for path, source in sources.items())


@cache
def digest_of_scripts() -> str:
    """Return the SHA-384 of the scripts as Base64. Raises FileNotFoundError."""
    return base64.b64encode(hashlib.sha384(scripts()).digest()).decode()


def styles() -> bytes:
    """Return the styles without comments, and with one space for each run of blanks. Raises FileNotFoundError."""
    return b" ".join(re.sub(rb"/\*.*?\*/", b"", _source(STYLES), flags=re.DOTALL).split())


def _source(path: str) -> bytes:
    found = finders.find(path)
    if not isinstance(found, str):
        raise FileNotFoundError(path)
    return Path(found).read_bytes()


class Storage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """WhiteNoise's, which hashes and compresses what is collected; of that scripts and styles are made small first."""

    def post_process(self, paths: dict[str, Any], dry_run: bool = False, **options: Any) -> Iterator[Any]:
        if not dry_run:
            for path, content in ((SCRIPTS, scripts()), (STYLES, styles())):
                self.delete(path)
                self._save(path, ContentFile(content))
                paths = paths | {path: (self, path)}
        yield from super().post_process(paths, dry_run=dry_run, **options)
