"""What the repository's own texts send their reader to: links, anchors, paths, modules, decisions."""

import ast
import io
import pkgutil
import re
import tokenize
from pathlib import Path

from tests.documents import FENCE

ROOT = Path(__file__).parent.parent
FOLDERS = ("apikeys", "bench", "console", "docs", "locale", "static", "templates", "tests")
ENDINGS = (".css", ".html", ".js", ".md", ".py", ".service", ".toml", ".yaml")
NO_ENDING = (".ci/run", ".env.example", "Makefile", "bin/apikeys")

LINK = re.compile(r"\]\(([^)\s]*)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
PATH = re.compile(rf"(?<![\w/.*-])(?:{'|'.join(FOLDERS)})/[\w./*-]*\.(?:html|js|css|md|po|py|service|svg)\b")
NAME = re.compile(r"(?<![\w/.*-])[a-z_][\w-]*\.(?:html|js|md|py)\b")  # of a file, without its folder
MODULE = re.compile(r"(?<![\w/.*@-])(?:apikeys|console|tests)(?:\.[A-Za-z_]\w*)+")
DECISION = re.compile(r"\bADR (\d{4})\b")


def files() -> list[Path]:
    """Return every text that people of this project wrote."""
    found = [*ROOT.glob("*"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))]
    ours = [path for path in found if path.suffix in ENDINGS and path.is_file() and "node_modules" not in path.parts]
    return sorted([*ours, *(ROOT / name for name in NO_ENDING)])


NAMES = {path.name for path in files()}


def dead_ends(path: Path) -> list[str]:
    """Return the references of a file that lead nowhere."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        said = FENCE.sub("", text)
        return [
            *_broken_links(path, said),
            *_missing(LINK.sub("", said), made="".join(code for _, code in FENCE.findall(text))),
        ]
    if path.suffix == ".py":
        said = "\n".join([*_comments(text), *_docstrings(text)])
        return [*_missing(said), *(name for name in MODULE.findall(said) if not _is_module(name))]
    return _missing(text)


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
    """Return the paths, file names and decisions that a text names and that are not there; its examples may make some.

    A template may stand under the name that Django has for it.
    """
    return [
        *(name for name in PATH.findall(text) if not any([*ROOT.glob(name), *ROOT.glob(f"templates/{name}")])),
        *(name for name in NAME.findall(text) if name not in NAMES and name not in made),
        *(f"ADR {number}" for number in DECISION.findall(text) if not any(ROOT.glob(f"docs/adr/{number}-*.md"))),
    ]


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
