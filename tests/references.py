"""What the repository's own texts send their reader to: links, anchors, files, folders, modules, decisions."""

import ast
import io
import pkgutil
import re
import tokenize
from functools import cache
from pathlib import Path

from tests.documents import FENCE

ROOT = Path(__file__).parent.parent
FOLDERS = ("apikeys", "bench", "bin", "console", "deploy", "docs", "locale", "static", "templates", "tests", ".ci")
TEXTS = ("", ".conf", ".css", ".example", ".html", ".js", ".md", ".py", ".service", ".toml", ".yaml")

LINK = re.compile(r"\]\(([^)\s]*)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
# A file, or several by a pattern, by the whole path or its end; a folder, which is told by its marks from other words.
FILE = re.compile(r"(?<![\w/.*-])(?!Node\.js)(?:[\w.*-]+/)*[\w*-]+\.(?:html|js|css|md|po|py|svg)\b")
FOLDER = re.compile(r"`((?:[a-z]\w*/)+)`")
MODULE = re.compile(r"(?<![\w/.*@-])(?:apikeys|console|tests)(?:\.[A-Za-z_]\w*)+")
DECISION = re.compile(r"\bADR (\d{4})\b")


@cache
def tree() -> list[Path]:
    """Return the files that people of this project made, and their folders."""
    found = [*ROOT.glob("*"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))]
    return sorted(path for path in found if not {"__pycache__", "node_modules"} & {*path.relative_to(ROOT).parts})


def texts() -> list[Path]:
    return [path for path in tree() if path.suffix in TEXTS and path.is_file() and path.name != ".git"]


def dead_ends(path: Path) -> list[str]:
    """Return the references of a file that lead nowhere."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        said = FENCE.sub("", text)
        examples = "".join(code for _language, code in FENCE.findall(text))
        return [*_broken_links(path, said), *_missing(LINK.sub("", said), made=examples)]
    if path.suffix == ".py":
        said = "\n".join([*_comments(text), *_docstrings(text)])
        return [*_missing(said), *(name for name in MODULE.findall(said) if not _is_module(name))]
    return _missing(text)


@cache
def anchors(page: Path) -> set[str]:
    """Return what a link to a heading of a page may end in, as GitHub makes it."""
    headings = HEADING.findall(FENCE.sub("", page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _broken_links(page: Path, text: str) -> list[str]:
    broken = []
    for link in (link for link in LINK.findall(text) if "://" not in link):
        name, _hash, anchor = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    return broken


def _missing(text: str, made: str = "") -> list[str]:
    """Return the files, folders and decisions that a text names and that are not there; its examples may make some."""
    return [
        *(name for name in FILE.findall(text) if name not in made and not _is_there(name)),
        *(name for name in FOLDER.findall(text) if name not in made and not _is_there(name)),
        *(f"ADR {number}" for number in DECISION.findall(text) if not _is_there(f"docs/adr/{number}-*.md")),
    ]


@cache
def _is_there(name: str) -> bool:
    return any(path.match(name) for path in tree())


def _is_module(name: str) -> bool:
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True


def _comments(code: str) -> list[str]:
    tokens = tokenize.generate_tokens(io.StringIO(code).readline)
    return [token.string for token in tokens if token.type == tokenize.COMMENT]


def _docstrings(code: str) -> list[str]:
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return [ast.get_docstring(node) or "" for node in ast.walk(ast.parse(code)) if isinstance(node, kinds)]
