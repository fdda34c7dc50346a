"""Every example of docs/rest-api.md, run as a reader would run it: in this order, by sh, against a real server."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from apikeys.values import mask
from tests.api_errors import known_codes
from tests.documents import blocks
from tests.programs import Site
from tests.server import ROOT

pytestmark = pytest.mark.once

PAGE = ROOT / "docs" / "rest-api.md"
SECONDS = 120


def examples() -> list[tuple[str, str]]:
    """Return each sh block with the block that shows what it prints, "" where none follows it."""
    found = blocks(PAGE)
    following = [*found[1:], ("", "")]
    return [
        (code, shown if language != "sh" else "")
        for (kind, code), (language, shown) in zip(found, following, strict=True)
        if kind == "sh"
    ]


def shape(found: Any) -> Any:
    """Return what an example and a real answer have in common: members, types, lengths of lists."""
    if isinstance(found, dict):
        return {name: shape(member) for name, member in found.items()}
    if isinstance(found, list):
        return [shape(member) for member in found]
    return type(found).__name__


@pytest.fixture(scope="module")
def outputs(site: Site, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What each example printed; any that fails or complains fails the test."""
    assert shutil.which("curl"), "The examples of docs/rest-api.md are for curl, which is not installed here."
    folder = tmp_path_factory.mktemp("examples")
    site_alice = site.log_in(site.next_person("alice"))
    value = site_alice.create_key("examples")["apikey"]
    # One shell for all, as variables and functions of one example are used by the next.
    script = "set -eu\n" + "".join(
        f"echo {number} > at\n{{\n{code}\n}} > out{number} 2> err{number}\n"
        for number, (code, _shown) in enumerate(examples())
    )
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "CONSOLE_URL": site.url, "IBMCLOUD_API_KEY": value}

    done = subprocess.run(
        ["sh", "-c", script], cwd=folder, env=environment, stdin=subprocess.DEVNULL, timeout=SECONDS, check=False
    )

    at = (folder / "at").read_text().strip()
    said = [read(folder, "err", number) for number in range(len(examples()))]
    assert done.returncode == 0, (
        f"{examples()[int(at)][0]}\n{mask(read(folder, 'out', int(at)))}\n{mask(said[int(at)])}"
    )
    assert [mask(complaint) for complaint in said if complaint] == []
    return [read(folder, "out", number) for number in range(len(examples()))]


def read(folder: Path, name: str, number: int) -> str:
    path = folder / f"{name}{number}"
    return path.read_text() if path.exists() else ""


def test_every_example_runs_and_prints_what_the_page_shows(outputs):
    assert len(outputs) > 15
    for (code, shown), printed in zip(examples(), outputs, strict=True):
        if shown.startswith("{"):
            assert shape(json.loads(printed)) == shape(json.loads(shown)), code
        elif shown:
            assert printed.strip() == shown.strip(), code


def test_what_the_examples_find_is_what_they_made(outputs):
    printed = {code.splitlines()[0]: output.strip() for (code, _shown), output in zip(examples(), outputs, strict=True)}

    filtered = next(output for first, output in printed.items() if first.startswith("api --get"))
    assert filtered == "terraform"
    details = next(output for first, output in printed.items() if "IAM-ApiKey" in first)
    assert re.fullmatch(r"ApiKey-[0-9a-f-]{36}", details)
    assert printed['TAG=$(printf %s "$CREATED" | field entity_tag)'] == "At night"


def test_refusals_are_shown_with_their_codes_and_statuses(outputs):
    for (_code, shown), printed in zip(examples(), outputs, strict=True):
        if '"status_code"' in shown:
            assert json.loads(shown)["errors"][0]["message_code"] == json.loads(printed)["errors"][0]["message_code"]
            assert json.loads(shown)["status_code"] == json.loads(printed)["status_code"]
        if '"errorCode"' in shown:
            assert json.loads(shown)["errorCode"] == json.loads(printed)["errorCode"]


def test_the_table_of_errors_has_every_code_with_its_status_and_no_other():
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| (\d{3}) \|", PAGE.read_text(), re.MULTILINE)

    assert {(code, int(status)) for code, status in rows} == known_codes()


def test_no_document_has_a_value_in_it_and_this_one_nothing_like_it():
    pages = {path: path.read_text(encoding="utf-8") for path in ROOT.glob("docs/**/*.md")}

    assert [path for path, page in pages.items() if mask(page) != page] == []
    assert "apk_" not in pages[PAGE]
