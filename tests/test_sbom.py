"""What the console is built of is told whole, the same each time, and nothing comes with a licence that nobody read."""

import re
from email.message import Message

import pytest

from tests import sbom
from tests.sbom import ROOT

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def told():
    """What `make sbom` writes."""
    return sbom.document()


def about(**fields: list[str]) -> Message:
    """Return what a package says of itself."""
    message = Message()
    for name, values in fields.items():
        for value in values:
            message[name.replace("_", "-")] = value
    return message


def test_it_has_every_package_of_the_lock_with_its_version_and_hashes_and_the_script_of_htmx(told):
    locked = set(re.findall(r"^([a-z0-9-]+)==([^ ]+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE))

    packages = [part for part in told["components"] if part["purl"].startswith("pkg:pypi/")]

    assert {(part["name"], part["version"]) for part in packages} == locked
    assert all(part["externalReferences"][0]["hashes"] for part in packages)
    assert [part["name"] for part in told["components"] if part not in packages] == ["htmx.org"]


def test_it_says_what_needs_what_and_the_console_needs_all_that_it_names(told):
    needed = {each["ref"].split("@")[0]: each["dependsOn"] for each in told["dependencies"]}

    assert any(ref.startswith("pkg:npm/htmx.org@") for ref in needed["pkg:pypi/django-htmx"])
    assert any(ref.startswith("pkg:pypi/sqlparse@") for ref in needed["pkg:pypi/django"])
    assert len([ref for ref in needed["root-component"] if ref.startswith("pkg:pypi/django@")]) == 2


def test_it_has_no_time_and_no_number_that_would_differ_the_next_time(told):
    assert "serialNumber" not in told
    assert "timestamp" not in told["metadata"]


def test_each_licence_is_known_and_fit(told):
    assert sbom.unfit(told) == []


@pytest.mark.parametrize(
    ("said", "licences"),
    [
        ({"License_Expression": ["Apache-2.0 OR (BSD-3-Clause AND MIT)"]}, ["Apache-2.0", "BSD-3-Clause", "MIT"]),
        ({"Classifier": ["License :: OSI Approved :: BSD License"], "License": ["see LICENSE"]}, ["BSD-3-Clause"]),
        ({"License": ["MIT"]}, ["MIT"]),
        ({"License_Expression": ["AGPL-3.0-only"]}, ["AGPL-3.0-only"]),
        ({}, []),
    ],
    ids=["an expression", "classifiers", "a word", "one that is not fit", "nothing"],
)
def test_licences_are_read_wherever_a_package_names_them(said, licences):
    assert sbom.licences_of("some-package", about(**said)) == licences


@pytest.mark.parametrize("licences", [[], ["AGPL-3.0-only"], ["MIT", "SSPL-1.0"]], ids=["none", "unfit", "half fit"])
def test_a_part_whose_licence_is_not_fit_is_named(licences):
    part = {"name": "copyleft", "version": "1.0", "licenses": [{"license": {"id": name}} for name in licences]}

    [line] = sbom.unfit({"components": [part]})

    assert line.startswith("copyleft 1.0: ")
