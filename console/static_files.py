"""The scripts of the pages as one file, made of their sources where static files are collected."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from django.contrib.staticfiles import finders
from django.core.files.base import ContentFile
from whitenoise.compress import Compressor  # type: ignore[import-untyped]
from whitenoise.storage import CompressedManifestStaticFilesStorage  # type: ignore[import-untyped]

SCRIPTS = "scripts.js"
# In this order: later ones use what earlier ones declare.
SOURCES = ("console.js", "menus.js", "list.js", "handover.js", "django_htmx/htmx-2.min.js")


def scripts() -> bytes:
    """Return all scripts, one after the other. Raises FileNotFoundError."""
    return b"\n".join(_source(path) for path in SOURCES)


def _source(path: str) -> bytes:
    found = finders.find(path)
    if not isinstance(found, str):
        raise FileNotFoundError(path)
    return Path(found).read_bytes()


class Storage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """WhiteNoise's, which hashes and compresses what is collected, and the scripts as one file, too."""

    use_brotli = True

    def post_process(self, paths: dict[str, Any], dry_run: bool = False, **options: Any) -> Iterator[Any]:
        if not dry_run:
            self.delete(SCRIPTS)
            self._save(SCRIPTS, ContentFile(scripts()))
            paths = paths | {SCRIPTS: (self, SCRIPTS)}
        yield from super().post_process(paths, dry_run=dry_run, **options)

    def compress_files(self, paths: Iterable[str]) -> Iterator[Any]:
        # At its best brotli takes seconds for all that Django's admin has: it packs what pages ask for, gzip the rest.
        ours = {path for path in self.hashed_files.values() if "/" not in path}
        for self.use_brotli in (True, False):
            yield from super().compress_files([path for path in paths if (path in ours) is self.use_brotli])

    def create_compressor(self, **options: Any) -> Compressor:
        return Compressor(use_brotli=self.use_brotli, **options)
