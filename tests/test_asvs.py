"""The table of the standard is whole and true: each number once, each test there, each state with what it needs."""

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from tests.references import ROOT

pytestmark = pytest.mark.once

TABLE = ROOT / "docs" / "asvs.md"
ROW = re.compile(
    r"^\| (\d+\.\d+\.\d+) \| ([123]) \| (.+?) \| (met|deployer|not met|gap) \| (.+?) \| (.+?) \|$", re.MULTILINE
)
TEST = re.compile(r"`([\w/]+\.py)::(test_\w+)`")
NUMBER = re.compile(r"\d+\.\d+\.\d+")

# How many requirements each section of 5.0.0 has, by chapter.
SECTIONS = {
    1: (2, 10, 12, 3, 3),
    2: (3, 3, 5, 2),
    3: (1, 3, 5, 8, 8, 1, 5),
    4: (5, 5, 2, 4),
    5: (1, 6, 3, 3),
    6: (3, 12, 8, 6, 8, 4, 2, 4),
    7: (3, 4, 2, 5, 3, 2),
    8: (4, 4, 3, 2),
    9: (3, 4),
    10: (2, 3, 5, 16, 5, 2, 3),
    11: (4, 5, 5, 4, 2, 2, 2),
    12: (5, 2, 5),
    13: (4, 6, 4, 7),
    14: (2, 8, 3),
    15: (5, 5, 7, 4),
    16: (1, 5, 4, 3, 4),
    17: (2, 8, 2),
}


@pytest.fixture(scope="module")
def rows():
    """Number, level, what it is about, state, how, tests."""
    return ROW.findall(TABLE.read_text(encoding="utf-8"))


@cache
def names_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_number_of_the_standard_is_there_once(rows):
    whole = [
        f"{chapter}.{section}.{number}"
        for chapter, sizes in SECTIONS.items()
        for section, size in enumerate(sizes, start=1)
        for number in range(1, size + 1)
    ]
    others = TABLE.read_text(encoding="utf-8").split("\n## Does not apply\n")[1]

    told = [row[0] for row in rows] + NUMBER.findall(others)

    assert len(whole) == 345
    assert Counter(told) == Counter(whole)


def test_each_test_that_is_named_is_there(rows):
    named = {name for row in rows for name in TEST.findall(row[5])}

    gone = {name for name in named if name[1] not in names_in(ROOT / "tests" / name[0])}

    assert len(named) > 100
    assert gone == set()


def test_what_is_met_says_where_that_is_tried_or_written(rows):
    assert [row[0] for row in rows if row[3] == "met" and not TEST.search(row[5]) and "](" not in row[4]] == []


def test_only_level_three_has_gaps_and_each_lack_has_words(rows):
    assert [row[0] for row in rows if row[3] == "gap" and row[1] != "3"] == []
    assert [row[0] for row in rows if row[3] == "not met" and row[1] == "3"] == []
    assert [row[0] for row in rows if row[3] != "met" and len(row[4]) < 15] == []


def test_what_is_the_deployers_duty_stands_in_the_document_on_deployment(rows):
    duties = {row[0] for row in rows if row[3] == "deployer"}

    section = (TABLE.parent / "deployment.md").read_text(encoding="utf-8").split("\n## What is yours to do\n")[1]

    assert set(NUMBER.findall(section.partition("\n### ")[0])) == duties


def test_the_sums_are_right(rows):
    of_goal = Counter(row[3] for row in rows if row[1] != "3")
    beyond = Counter(row[3] for row in rows if row[1] == "3")

    told = re.findall(
        r"^\| (met|deployer|not met|gap|all that apply) \|.*\| (\S+) \| (\S+) \|$", TABLE.read_text(), re.MULTILINE
    )

    assert {state: (goal, more) for state, goal, more in told} == {
        "met": (str(of_goal["met"]), str(beyond["met"])),
        "deployer": (str(of_goal["deployer"]), str(beyond["deployer"])),
        "not met": (str(of_goal["not met"]), "–"),
        "gap": ("–", str(beyond["gap"])),
        "all that apply": (str(of_goal.total()), str(beyond.total())),
    }
