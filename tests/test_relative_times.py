"""How far away a moment is: to the nearest unit that a person would say."""

from datetime import timedelta

import pytest

from console.relative_times import distance

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("away", "ahead", "ago"),
    [
        (timedelta(), "just now", "just now"),
        (timedelta(seconds=29), "in less than a minute", "just now"),
        (timedelta(seconds=60), "in 1 minute", "1 minute ago"),
        (timedelta(minutes=59, seconds=20), "in 59 minutes", "59 minutes ago"),
        (timedelta(minutes=60), "in 1 hour", "1 hour ago"),
        (timedelta(hours=23), "in 23 hours", "23 hours ago"),
        (timedelta(hours=24), "in 1 day", "1 day ago"),
        (timedelta(days=5), "in 5 days", "5 days ago"),
        (timedelta(days=30), "in 30 days", "30 days ago"),
        (timedelta(days=90), "in 90 days", "90 days ago"),
        (timedelta(days=120), "in 4 months", "4 months ago"),
        (timedelta(days=365), "in 12 months", "12 months ago"),
        (timedelta(days=800), "in 2 years", "2 years ago"),
        (timedelta(days=36_525), "in 100 years", "100 years ago"),
    ],
)
def test_a_moment_is_as_far_away_as_a_person_would_say(away, ahead, ago):
    assert (distance(away.total_seconds(), "en"), distance(-away.total_seconds(), "en")) == (ahead, ago)


@pytest.mark.parametrize("days", [1, 30, 90, 365])
def test_what_was_set_a_moment_ago_is_still_as_far_away(days):
    whole = timedelta(days=days).total_seconds()

    assert distance(whole - 9, "en") == distance(whole, "en")
