"""No secret is kept or told in clear, no door opens that nobody named, no HTML comes of text, no form lacks its token.

Each rule is shown to find what it is for.
"""

import ast
import re
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection
from django.urls import URLPattern, URLResolver, get_resolver

from tests import static_rules as rules
from tests.addresses import UNKNOWN_SERVICE_ID, details_address
from tests.conftest import log_in, program_of
from tests.static_rules import CODE, ROOT

pytestmark = pytest.mark.once

# Names that say less than they mean, each with what is in there.
NO_SECRETS = {
    "apikeys/backends/plain.py: Plain.value": "whose keys: an IAM ID or an account",
    "apikeys/backends/trigrams.py: Searched.value": "whose keys: an IAM ID or an account",
}
# Who reads the environment beside console/env.py and the settings.
ENVIRONMENT = {
    "apikeys/cli/login.py": "the command line has no settings",
    "apikeys/cli/offline.py": "the command line has no settings",
    "apikeys/cli/session.py": "the command line has no settings",
    "apikeys/management/commands/check_iam.py": "the value of an operator's key, for this one run",
    "console/env.py": "the readers of settings",
    "console/settings.py": ".env",
    "console/management/commands/createsuperuser.py": "a password that Django takes from there",
    "console/management/commands/serve.py": "the settings' module, for its workers",
    "console/wsgi.py": "the settings' module",
    "deploy/healthy.py": "runs without Django",
    "manage.py": "the settings' module",
}
# Who opens connections beside the database's driver and apikeys/iam/, or listens.
NETWORK = {
    "apikeys/iam/sockets.py": "below requests: its deadline",
    "apikeys/iam/transport.py": "the cookies of requests, which are refused",
    "console/management/commands/serve.py": "the port, tried before the server takes it",
    "console/server/connections.py": "who is connected, asked of the system",
    "console/mails/sending.py": "what a mail server answered; Django's mailer opens the connection",
    "console/webhooks/sending.py": "tells receivers, at addresses that were checked",
    "deploy/healthy.py": "asks the console beside it whether it is ready",
}
PROCESSES = {
    "apikeys/jobs.py": "what is to be done before a process ends",
    "console/server/worker.py": "the processes of the server",
}
REDIRECTS = {"apikeys/web/navigation.py": "`local_url`, for all others"}
# Whose digests are no secret: they tell whether files are those of before.
DIGESTS_IN_THE_OPEN = {
    "console/backup/container.py": "of parts of a backup, which stand beside them",
    "console/management/commands/serve.py": "of the static files",
}
# Who uses cryptography of Django's.
HASHERS_BY_SETTING = {"console/log_in/auth.py": "Argon2id of passwords"}
# Whose tokens are in another place.
TOKENS_ELSEWHERE = {"templates/patterns/_bulk.html": "its inputs and its token stand in the table"}


EXAMPLES: dict[Callable[..., list[str]], str] = {
    rules.columns_in_clear: "class Key(models.Model):\n    value = models.CharField(max_length=44)",
    rules.fields_that_tell: "@dataclass\nclass Issued:\n    access_token: str = ''",
    rules.exceptions_that_tell: "raise ValueError(f'{value} is no key')",
    rules.logs_that_tell: "logger.warning('%s is no key', request.password)",
    rules.secrets_compared_in_haste: "if given.digest == digest: pass",
    rules.environment_read: "import os\nDEBUG = os.environ.get('DEBUG')",
    rules.network_used: "from urllib.request import urlopen",
    rules.cryptography_used: "from hashlib import md5",
    rules.processes_started: "from subprocess import run",
    rules.redirects_judged: "is_ours = url_has_allowed_host_and_scheme(next_url, allowed_hosts=None)",
    rules.code_made_of_text: "Template(request.GET['page'])",
    rules.html_from_variables: "format_html(name, 1)",
    rules.silenced_without_reason: "chosen = random.random()  # noqa: " + "S311",
    rules.forms_without_token: '<form class="a > b" method="post"><button>Delete</button></form>',
    rules.foreign_addresses: '<img src="//elsewhere.example/pixel.png">',
    rules.script_sinks: "list.innerHTML = answer;",
}


@pytest.mark.parametrize("rule", EXAMPLES, ids=lambda rule: rule.__name__)
def test_each_rule_finds_what_it_is_for(rule):
    example = EXAMPLES[rule]

    found = rule(ast.parse(example) if "tree" in rule.__annotations__ else example)

    assert found != []


@pytest.mark.parametrize(
    "rule",
    [
        rules.columns_in_clear,
        rules.exceptions_that_tell,
        rules.logs_that_tell,
        rules.code_made_of_text,
        rules.html_from_variables,
    ],
    ids=lambda rule: rule.__name__,
)
def test_no_module_breaks_a_rule(rule):
    broken = {path: found for path, tree in rules.trees() if (found := rule(tree))}

    assert broken == {}


@pytest.mark.parametrize(
    ("rule", "allowed"),
    [
        (rules.environment_read, ENVIRONMENT),
        (rules.network_used, NETWORK),
        (rules.processes_started, PROCESSES),
        (rules.redirects_judged, REDIRECTS),
        (rules.secrets_compared_in_haste, DIGESTS_IN_THE_OPEN),
    ],
    ids=lambda part: getattr(part, "__name__", ""),
)
def test_only_the_named_modules_do_what_needs_a_reason(rule, allowed):
    found = {path for path, tree in rules.trees() if rule(tree)}

    assert found == set(allowed)


def test_whatever_uses_cryptography_is_in_the_inventory():
    inventory = (ROOT / "docs" / "threat-model.md").read_text().split("## Algorithms and their keys")[1]
    users = {path for path, tree in rules.trees() if rules.cryptography_used(tree)}

    told = set(re.findall(r"`((?:apikeys|console)/[\w/]+\.py)`", inventory))

    assert told - set(HASHERS_BY_SETTING) == users


def test_what_holds_a_secret_does_not_tell_it():
    told = {f"{path}: {name}" for path, tree in rules.trees() for name in rules.fields_that_tell(tree)}

    assert told == set(NO_SECRETS)


def test_a_silenced_rule_has_its_reason():
    silenced = {path: found for path, text in rules.texts(*CODE) if (found := rules.silenced_without_reason(text))}

    assert silenced == {}


def test_rules_of_security_are_off_in_no_part_of_the_code_but_where_bandit_has_them():
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    ignored = {
        place: off
        for place, codes in linter["per-file-ignores"].items()
        if not place.startswith(("tests/", "bench/")) and (off := [code for code in codes if code.startswith("S")])
    }

    assert "S" in linter["select"]
    assert not [code for code in linter["ignore"] if code.startswith("S")]
    assert ignored == {"{apikeys,console}/**": ["S608"]}


def test_every_form_that_is_posted_has_its_token():
    without = {path for path, text in rules.texts("templates/**/*.html") if rules.forms_without_token(text)}

    assert without == set(TOKENS_ELSEWHERE)


def test_no_field_of_a_secret_is_for_a_spell_checker_elsewhere():
    spelt = {
        path: found
        for path, text in rules.texts("templates/**/*.html")
        if (found := rules.secrets_spelt_by_others(text))
    }

    assert rules.secrets_spelt_by_others('<input type="password" name="a">')
    assert spelt == {}


def test_nothing_that_a_browser_gets_names_another_host():
    files = rules.texts("templates/**/*.html", "static/*.css", "static/*.js", "static/*.svg")
    foreign = {path: found for path, text in files if (found := rules.foreign_addresses(text))}

    assert foreign == {}


def test_no_script_makes_html_of_text_or_keeps_anything():
    sinks = {path: found for path, text in rules.texts("static/*.js") if (found := rules.script_sinks(text))}

    assert sinks == {}


# To look is not to change

READS = ("SELECT", "SAVEPOINT", "RELEASE", "ROLLBACK", "BEGIN", "EXPLAIN", "PRAGMA", "SET")
# Addresses, by name or path, that write something when they are only looked at.
WRITES_WHEN_SEEN = {
    "api_key_scriptless_receipt": "the picture by which a page without script says that it was drawn",
    "/v1/apikeys/export": "an export is audited; that of the page is another format of it",
    "/readyz": "tries whether the database takes changes",
}


@contextmanager
def writes_seen() -> Iterator[list[str]]:
    """Yield the statements that change rows, but those of sessions: a page may have a message to forget."""
    seen: list[str] = []

    def look(execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        if not sql.lstrip(" (").upper().startswith(READS) and '"django_session"' not in sql:
            seen.append(sql)
        return execute(sql, parameters, many, context)

    with connection.execute_wrapper(look):
        yield seen


def addresses(patterns: list[URLPattern | URLResolver], before: str = "/") -> Iterator[tuple[str, str]]:
    """Yield the name of each address, and its path with blanks such as `<slug:iam_id>`."""
    for pattern in patterns:
        path = f"{before}{pattern.pattern}"
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns, path)
        else:
            yield pattern.name or path, path


def test_no_address_changes_anything_when_it_is_looked_at(dora, create_key):
    key = create_key(dora).key
    blanks = {"key_id": key.id, "iam_id": dora.iam_id, "account_id": dora.account_id, "service_id": UNKNOWN_SERVICE_ID}
    by_kind = {"int": "1", "uuid": "00000000-0000-4000-8000-000000000000", "digest": "0" * 64}
    looks = [getattr(client, method) for client in (log_in(dora), program_of(dora)) for method in ("get", "head")]
    statuses, writers = [], set()

    for name, path in addresses(get_resolver().url_patterns):
        filled = re.sub(
            r"<(?:(\w+):)?(\w+)>", lambda blank: blanks.get(blank[2]) or by_kind.get(blank[1], "0" * 32), path
        )
        with writes_seen() as writes:
            for look in looks:
                response = look(filled)
                statuses.append(response.status_code)
                b"".join(response)  # an export is made while it is read
        writers |= {name} if writes else set()

    assert statuses.count(200) > 70
    assert writers == set(WRITES_WHEN_SEEN)


def test_a_change_is_seen_as_one(dora, create_key):
    key, page = create_key(dora).key, log_in(dora)

    with writes_seen() as writes:
        page.post(f"{details_address(key.id)}lock/")

    assert any("apikeys_apikeyrecord" in statement for statement in writes)
