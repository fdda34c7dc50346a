"""The short form of each proof: what is promised holds. How quick anything is, no test says; `make prove` does."""

import inspect
import sys
from dataclasses import replace

import pytest

from tests.prove import cutting_off, fuzzing, guessing, killing, racing, searching, suites, timing
from tests.prove.__main__ import PROOFS
from tests.prove.figures import SHORT, Figure


def missed(figures: list[Figure]) -> list[Figure]:
    return [figure for figure in figures if not (figure.is_met or figure.is_time)]


@pytest.mark.once
def test_each_proof_has_its_short_form_here_or_is_made_of_tests():
    here = inspect.getsource(sys.modules[__name__])
    calls = {name: f"{proof.__module__.rpartition('.')[2]}.{proof.__name__}(tmp_path" for name, proof in PROOFS.items()}

    without = [name for name, call in calls.items() if call not in here and PROOFS[name].__module__ != suites.__name__]

    assert without == []


def test_what_was_acknowledged_before_processes_were_killed_holds(tmp_path):
    assert missed(killing.kills(tmp_path, SHORT)) == []


@pytest.mark.postgres
def test_what_was_acknowledged_before_the_database_crashed_holds(tmp_path):
    assert missed(killing.crashes(tmp_path, SHORT)) == []


def test_no_use_slips_through_after_a_revocation_in_another_process(tmp_path):
    assert missed(racing.races(tmp_path, SHORT)) == []


@pytest.mark.once
def test_no_generated_request_is_an_error_of_the_servers(tmp_path):
    assert missed(fuzzing.requests(tmp_path, SHORT)) == []


@pytest.mark.postgres
def test_answers_are_honest_while_the_database_is_away_or_locked(tmp_path):
    assert missed(cutting_off.away(tmp_path, SHORT)) == []


@pytest.mark.sqlite
def test_answers_are_honest_while_another_program_holds_the_write_lock(tmp_path):
    assert missed(cutting_off.held(tmp_path, replace(SHORT, held=1))) == []


def test_no_secret_is_in_anything_that_was_written_in_a_days_work(tmp_path):
    assert missed(searching.traces(tmp_path, SHORT)) == []


@pytest.mark.once
def test_few_of_many_guesses_at_once_are_judged(tmp_path):
    assert missed(guessing.guesses(tmp_path, SHORT)) == []


@pytest.mark.once
def test_a_refused_log_in_does_not_say_which_people_there_are(tmp_path):
    assert missed(timing.timing(tmp_path, replace(SHORT, races=3))) == []
