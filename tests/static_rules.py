"""Rules about the text of the program that no kept tool has: secrets, doors to outside, HTML, forms, scripts.

Those of ruff, bandit and the import contracts are not said again. A rule takes the tree of a module, or a text, and
returns what breaks it.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
CODE = ("apikeys/**/*.py", "console/**/*.py", "deploy/*.py", "locale/*.py", "manage.py")

# What a variable, a field or a column is called that holds something secret as it is.
SECRETS = {
    *("value", "secret", "password", "passcode", "token", "nonce", "seed", "proof"),
    *("access_token", "refresh_token", "session_key", "private_key", "apikey", "recovery_code"),
}
SEALED = re.compile(r"(^|_)(sealed|digest|hashed|masked)(_|$)")
NETWORK_MODULES = {"socket", "ssl", "http", "urllib.request", "smtplib", "ftplib", "xmlrpc", "socketserver"}
CRYPTOGRAPHY = {"hashlib", "hmac", "cryptography", "jwt", "argon2", "pyotp", "fido2", "joserfc", "authlib"}
PROCESS_MODULES = {"subprocess", "multiprocessing", "pty"}
TEXTS = re.compile(r"\b(str|bytes|Any)\b")


def trees() -> Iterator[tuple[str, ast.Module]]:
    for pattern in CODE:
        for path in sorted(ROOT.glob(pattern)):
            if "migrations" not in path.parts:
                yield str(path.relative_to(ROOT)), tree_of(path)


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def texts(*patterns: str) -> Iterator[tuple[str, str]]:
    for pattern in patterns:
        for path in sorted(ROOT.glob(pattern)):
            yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")


def names_in(node: ast.AST) -> set[str]:
    """Return the names and attributes that a part of the program reads."""
    return {
        part.id if isinstance(part, ast.Name) else part.attr
        for part in ast.walk(node)
        if isinstance(part, ast.Name | ast.Attribute)
    }


def is_secret(name: str) -> bool:
    words = name.strip("_").lower()
    return not SEALED.search(words) and (words in SECRETS or any(words.endswith(f"_{secret}") for secret in SECRETS))


def called(node: ast.AST) -> str:
    """Return the last name of what is called, such as `field` of `dataclasses.field(…)`."""
    if not isinstance(node, ast.Call):
        return ""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


# What is kept, and what is told


def columns_in_clear(tree: ast.Module) -> list[str]:
    """Return the columns of models that hold a secret as it is: text or bytes."""
    return [
        f"{kind.name}.{target.id}"
        for kind in ast.walk(tree)
        if isinstance(kind, ast.ClassDef)
        for line in kind.body
        if isinstance(line, ast.Assign) and "models" in names_in(line.value)
        for target in line.targets
        if isinstance(target, ast.Name) and is_secret(target.id)
        if called(line.value) in ("CharField", "TextField", "BinaryField", "JSONField", "late_text")
    ]


def fields_that_tell(tree: ast.Module) -> list[str]:
    """Return the fields of dataclasses and named tuples that hold a secret, and that their `repr` tells."""
    return [
        f"{kind.name}.{line.target.id}"
        for kind in ast.walk(tree)
        if isinstance(kind, ast.ClassDef)
        for line in kind.body
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and is_secret(line.target.id)
        if TEXTS.search(ast.unparse(line.annotation))
        if "repr=False" not in ast.unparse(line) and "ClassVar" not in ast.unparse(line.annotation)
        if not any("repr=False" in ast.unparse(decorator) for decorator in kind.decorator_list)
    ]


def exceptions_that_tell(tree: ast.Module) -> list[str]:
    """Return where an exception is raised with a secret in it."""
    return [
        ast.unparse(node.exc)
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)
        for argument in [*node.exc.args, *(keyword.value for keyword in node.exc.keywords)]
        if any(map(is_secret, names_in(argument)))
    ]


def logs_that_tell(tree: ast.Module) -> list[str]:
    """Return where a secret is given to a logger, or printed."""
    return [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and (
            called(node) == "print"
            or (isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value).endswith(("logger", "logging")))
        )
        if any(is_secret(name) for argument in node.args for name in names_in(argument))
    ]


def secrets_compared_in_haste(tree: ast.Module) -> list[str]:
    """Return where a secret, its digest or a signature is compared by `==`, whose time tells how much is right."""
    return [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq | ast.NotEq)
        for side in [node.left, *node.comparators]
        if isinstance(side, ast.Name | ast.Attribute)
        if re.search(r"(^|_)(digest|signature|mac|password|passcode|nonce|proof|secret)$", ast.unparse(side))
    ]


# Doors


def environment_read(tree: ast.Module) -> list[str]:
    """Return where variables of the environment are read or set."""
    return [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.environ", "os.getenv", "os.putenv")
    ] + [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "os" and {"environ", "getenv"} & names_imported(node)
    ]


def names_imported(node: ast.Import | ast.ImportFrom) -> set[str]:
    return {alias.name for alias in node.names}


def modules_imported(tree: ast.Module) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= names_imported(node)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{name}" for name in names_imported(node))}
    return found


def is_below(module: str, roots: set[str]) -> bool:
    return any(module == root or module.startswith(f"{root}.") for root in roots)


def network_used(tree: ast.Module) -> list[str]:
    """Return the modules that open connections; those that only read addresses or statuses are none."""
    harmless = {"http.HTTPStatus", "http.HTTPMethod", "http"}
    return sorted(name for name in modules_imported(tree) - harmless if is_below(name, NETWORK_MODULES))


def cryptography_used(tree: ast.Module) -> list[str]:
    """Return the modules of hashes, ciphers and signatures that are imported."""
    return sorted(name for name in modules_imported(tree) if is_below(name, CRYPTOGRAPHY))


def processes_started(tree: ast.Module) -> list[str]:
    """Return the modules and calls that start processes."""
    calls = {"os.system", "os.popen", "os.execv", "os.execvp", "os.fork", "os.posix_spawn"}
    return sorted(name for name in modules_imported(tree) if is_below(name, PROCESS_MODULES)) + [
        ast.unparse(node.func)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in calls
    ]


def code_made_of_text(tree: ast.Module) -> list[str]:
    """Return where text becomes code, a template or an object: what ruff's rules have no name for."""
    calls = {"compile", "__import__", "Template", "Engine().from_string"}
    return [
        ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) in calls
    ]


def redirects_judged(tree: ast.Module) -> list[str]:
    """Return whether a module judges by itself where a browser may be led."""
    return [name for name in names_in(tree) if name == "url_has_allowed_host_and_scheme"]


# Silenced rules


SILENCED = re.compile(r"#\s*(nosec|noqa:\s*S\d+[^\s(#]*)(.*)$", re.MULTILINE)


def silenced_without_reason(text: str) -> list[str]:
    """Return the comments that silence a rule of security for no reason: `# noqa: S311  (…)`, `# nosec B608  # …`."""
    found = []
    for kind, rest in SILENCED.findall(text):
        reason = re.match(r"\s+B\d{3}\s+# \w+|\s+\(\w+" if kind == "nosec" else r"\s+\(\w+", rest)
        if not reason:
            found.append(f"{kind}{rest}")
    return found


# HTML, forms, styles, scripts


def html_from_variables(tree: ast.Module) -> list[str]:
    """Return where HTML is formatted from a text that may not be the program's own: `format_html` of a variable."""
    return [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and called(node) == "format_html"
        if not isinstance(node.args[0], ast.Constant)
        if not (isinstance(node.args[0], ast.Name) and node.args[0].id.isupper())
    ]


COMMENT = re.compile(r"\{#.*?#\}|\{%\s*comment.*?endcomment\s*%\}", re.DOTALL)
INCLUDE = re.compile(r"""\{%\s*include\s+"([\w/.]+)"[^%]*%\}""")
FORM = re.compile(r"<form\b(?:[^>\"']|\"[^\"]*\"|'[^']*'|\{%.*?%\})*>.*?</form>", re.DOTALL)


def forms_without_token(template: str) -> list[str]:
    """Return the forms that are posted without a CSRF token, neither of their own nor of what they include."""
    return [
        form[:80]
        for form in map(with_included, FORM.findall(COMMENT.sub("", template)))
        if re.search(r"""method=["']post|hx-(?:post|put|patch|delete)=""", form) and "csrf_token" not in form
    ]


def with_included(template: str) -> str:
    """Return a template with what it includes by name, and what that includes."""
    return INCLUDE.sub(lambda found: with_included((ROOT / "templates" / found[1]).read_text()), template)


def secrets_spelt_by_others(template: str) -> list[str]:
    """Return the fields of secrets that a browser may send to a spell checker elsewhere, once they are shown."""
    fields = re.findall(r"<input\b[^>]*type=\"password\"[^>]*>", COMMENT.sub("", template))
    return [field for field in fields if 'spellcheck="false"' not in field]


def foreign_addresses(text: str) -> list[str]:
    """Return what names another host, or may: in a template, style or script beside its comments."""
    said = re.sub(r"/\*.*?\*/|(?:^|\s)//[^\n]*", "", COMMENT.sub("", text), flags=re.DOTALL | re.MULTILINE)
    said = said.replace("http://www.w3.org/", "")
    return re.findall(r"""https?://[^\s"'<]*|["'(]//\w[^\s"'<)]*|@import[^;]*|\bdata:[\w/]+|\bblob:""", said)


SINKS = re.compile(
    r"\.(?:innerHTML|outerHTML|srcdoc)\s*\+?=|insertAdjacentHTML|setHTMLUnsafe|parseFromString|createContextualFragment"
    r"|document\s*\.\s*(?:write|writeln|cookie|domain)\b|\b(?:localStorage|sessionStorage|indexedDB|caches)\b"
    r"|\beval\s*\(|\bnew\s+Function\b|\bset(?:Timeout|Interval)\s*\(\s*[\"'`]|\bpostMessage\b"
    r"|addEventListener\(\s*[\"']message[\"']|\bWebSocket\b|\bEventSource\b|serviceWorker|javascript:|\bimport\s*\("
)


def script_sinks(script: str) -> list[str]:
    """Return where a script makes HTML or code of text, keeps something in the browser, or talks past the forms."""
    return SINKS.findall(re.sub(r"/\*.*?\*/|(?:^|\s)//[^\n]*", "", script, flags=re.DOTALL | re.MULTILINE))
