"""The samples on the page that hands a key over, run as they stand there: curl, command line, Python, Node."""

import ast
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from apikeys.values import mask
from tests import node_modules
from tests.addresses import CREATE, DOWNLOAD
from tests.cast import PASSWORD
from tests.http_person import HttpPerson
from tests.markup import page
from tests.programs import Person, Site
from tests.server import ROOT

pytestmark = pytest.mark.once

SECONDS = 120
NAME = "o'neill<b>&\" sample"


@dataclass
class Created:
    """What somebody takes from the created page: the samples by their titles, the value, and the file."""

    samples: dict[str, str]
    value: str = field(repr=False)
    file: bytes = field(repr=False)


@dataclass
class Ran:
    """What a program printed; `output` may hold an access token, so no assertion compares it whole."""

    status: int
    output: str = field(repr=False)
    complaints: str = field(repr=False)


@pytest.fixture
def created(site: Site, site_alice: Person) -> Created:
    visitor = HttpPerson(site.url).log_in(site_alice.username, PASSWORD)
    shown = visitor.submit(visitor.get(CREATE), CREATE, name=NAME)
    tree = page(shown)
    use = tree.find("details", class_="use")
    samples = zip(use.find_all("h3"), use.find_all("pre"), strict=True)
    return Created(
        samples={title.text: code.find("code").raw for title, code in samples},
        value=tree.find(id="value").text,
        file=visitor.submit(shown, DOWNLOAD).content,
    )


@pytest.fixture
def run(created: Created, tmp_path: Path):
    """Run a sample in a folder where apikey.json is, by a program; the value is in the variable the page names."""
    (tmp_path / "apikey.json").write_bytes(created.file)

    def run(title: str, *program: str, **environment: str) -> Ran:
        sample = tmp_path / "sample"
        sample.write_text(created.samples[title])
        done = subprocess.run(
            [*program, str(sample)],
            cwd=tmp_path,
            env={"HOME": str(tmp_path), "PATH": os.environ["PATH"], "IBMCLOUD_API_KEY": created.value} | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        ran = Ran(done.returncode, done.stdout, done.stderr)
        assert ran.status == 0, mask(ran.complaints)
        return ran

    return run


def test_the_page_has_a_sample_for_each_of_four_programs_and_the_value_in_none(created, site):
    assert list(created.samples) == [
        "curl", "Command line", "Python: ibm-platform-services", "Node.js: @ibm-cloud/platform-services"
    ]  # fmt: skip
    for code in created.samples.values():
        assert f"http://localhost:{site.server.port}" in code
        assert mask(code) == code


def test_with_curl_the_key_becomes_an_access_token(run, site):
    node_modules.program("curl", "curl", "ca-certificates")

    answer = json.loads(run("curl", "sh", "-eu").output)

    assert answer["token_type"] == "Bearer"
    assert [key["name"] for key in site.with_token(answer["access_token"]).listed()] == [NAME]


def test_the_command_line_logs_in_with_the_file_and_lists_the_key(run, tmp_path):
    path = f"{ROOT / 'bin'}:{os.environ['PATH']}"

    ran = run("Command line", "sh", "-eu", PATH=path, IBMCLOUD_API_KEY="")  # the file is enough

    assert NAME in ran.output
    assert (tmp_path / ".config" / "apikeys" / "session.json").exists()


def test_the_python_client_lists_the_key(run):
    ran = run("Python: ibm-platform-services", sys.executable)

    assert [key["name"] for key in ast.literal_eval(ran.output)["apikeys"]] == [NAME]
    assert ran.complaints == ""


def test_the_node_client_lists_the_key(run):
    ran = run(
        "Node.js: @ibm-cloud/platform-services",
        node_modules.node(),
        NODE_PATH=str(node_modules.FOLDER / "node_modules"),
    )

    names = [line.partition("name: ")[2] for line in ran.output.splitlines() if "name: " in line]
    assert names == [f"`{NAME}`,"]
    assert ran.complaints == ""
