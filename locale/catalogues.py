"""Brings the translation catalogues up to date: extracts, merges, compiles.

Pure Python (Babel reads what Django's own template extractor gives it), so no system package is needed.
"""

import io
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
LANGUAGES = ("zh_Hant",)
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
KEYWORDS: dict[str, tuple[int, ...] | None] = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),  # type: ignore[dict-item]
}


def messages() -> Iterator[tuple[str, str | tuple[str, ...], list[str], str | None]]:
    """Yield (file, message, translators' comments, context) for every string of the code and the templates."""
    for path in sorted([*ROOT.glob("console/**/*.py"), *ROOT.glob("apikeys/**/*.py")]):
        yield from _of_file(path, path.read_bytes())
    for path in sorted(ROOT.glob("templates/**/*.html")):
        yield from _of_file(path, _templatize(path.read_text(encoding="utf-8")).encode())


def _templatize(source: str) -> str:
    from django.utils.translation.template import templatize

    # What is not a message comes back as rows of X; their indentation would be bad Python.
    return "\n".join(line.lstrip() for line in str(templatize(source)).splitlines())


def _of_file(path: Path, source: bytes) -> Iterator[tuple[str, str | tuple[str, ...], list[str], str | None]]:
    found = extract("python", io.BytesIO(source), keywords=KEYWORDS, comment_tags=("Translators:",))
    for _line, message, comments, context in found:
        yield str(path.relative_to(ROOT)), message, comments, context


def template_catalogue() -> Catalog:
    catalogue = Catalog(project="API keys console", charset="utf-8", fuzzy=False)
    for location, message, comments, context in messages():
        text = message if isinstance(message, str) else tuple(part for part in message if part)
        python_format = "%(" in (text if isinstance(text, str) else text[0])
        catalogue.add(
            text,
            locations=[(location, 0)],
            auto_comments=comments,
            context=context,
            flags=["python-format"] if python_format else [],
        )
    return catalogue


def po_path(language: str) -> Path:
    return ROOT / "locale" / language / "LC_MESSAGES" / "django.po"


def merged(language: str) -> Catalog:
    """Return the language's catalogue with exactly the strings that the code has now."""
    path = po_path(language)
    if path.exists():
        with path.open("rb") as file:
            catalogue = read_po(file, locale=language)
    else:
        catalogue = Catalog(locale=language)
    catalogue.update(template_catalogue(), no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    catalogue.header_comment = f"# {catalogue.locale.english_name if catalogue.locale else language}"
    catalogue.creation_date = catalogue.revision_date = EPOCH  # else every run makes other files
    catalogue.project, catalogue.version = "API keys console", "1"
    catalogue.fuzzy = False
    return catalogue


def as_po(catalogue: Catalog) -> bytes:
    buffer = io.BytesIO()
    write_po(buffer, catalogue, width=100, sort_by_file=True, omit_header=False, include_lineno=False)
    lines = buffer.getvalue().decode().splitlines(keepends=True)
    volatile = (
        '"POT-Creation-Date:',
        '"PO-Revision-Date:',
        '"Last-Translator:',
        '"Generated-By:',
        '"Report-Msgid',
    )
    return "".join(line for line in lines if not line.startswith(volatile)).encode()


def as_mo(catalogue: Catalog) -> bytes:
    catalogue.creation_date = catalogue.revision_date = EPOCH
    buffer = io.BytesIO()
    write_mo(buffer, catalogue)
    return buffer.getvalue()


def untranslated(catalogue: Catalog) -> list[str]:
    def is_whole(message: Message) -> bool:
        strings = (message.string,) if isinstance(message.string, str) else message.string or ("",)
        return not message.fuzzy and all(strings)

    return [str(message.id) for message in catalogue if message.id and not is_whole(message)]


def problems(language: str) -> list[str]:
    """Return what is wrong with a language's catalogue, as sentences."""
    path, catalogue = po_path(language), merged(language)
    found = [f"{language}: not translated: {text}" for text in untranslated(catalogue)]
    if path.read_bytes() != as_po(catalogue):
        found.append(f"{language}: django.po is stale: run `make messages`")
    with path.open("rb") as file:
        if path.with_suffix(".mo").read_bytes() != as_mo(read_po(file, locale=language)):
            found.append(f"{language}: django.mo is stale: run `make messages`")
    return found


def main() -> None:
    sys.path.insert(0, str(ROOT))
    for language in LANGUAGES:
        catalogue = merged(language)
        path = po_path(language)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(as_po(catalogue))
        with path.open("rb") as file:
            path.with_suffix(".mo").write_bytes(as_mo(read_po(file, locale=language)))
        left = untranslated(catalogue)
        sys.stdout.write(f"{language}: {len(catalogue)} strings, {len(left)} not translated\n")
        for text in left:
            sys.stdout.write(f"  {text}\n")


if __name__ == "__main__":
    main()
