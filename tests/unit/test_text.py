"""Texts for messages, and names that the server accepts."""

from __future__ import annotations

import pytest

from pytest_zephyr.text import format_size
from pytest_zephyr.text import MAX_NAME_LENGTH
from pytest_zephyr.text import one_line
from pytest_zephyr.text import shorten_name


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("größe ✓", "größe ✓"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("half \ud800", "half \\ud800"),
        ("\u202eabc\x00", "\\u202eabc\\x00"),
    ],
)
def test_characters_that_cannot_be_printed_are_escaped(text, shown):
    """Names of tests and files may have any characters."""
    assert one_line(text) == shown


@pytest.mark.parametrize(
    ("size", "shown"),
    [(0, "0"), (1023, "1023"), (1024, "1K"), (10 * 1024**2, "10M"), (1536, "1.5K")],
)
def test_a_size_is_shown_with_a_unit_for_1024_bytes_or_more(size, shown):
    assert format_size(size) == shown


def test_long_names_that_are_cut_stay_different():
    long = "test_" + "x" * 400
    names = {shorten_name(long + end) for end in "ab"}

    assert len(names) == 2
    assert {len(name) for name in names} == {MAX_NAME_LENGTH}
    assert shorten_name("short") == "short"
