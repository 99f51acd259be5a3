"""The evidence of tests is written, read and gathered; invalid lines are rejected."""

from __future__ import annotations

from dataclasses import replace
import json
from typing import Any

import pytest

from pytest_zephyr.journal.format import line_of
from pytest_zephyr.journal.format import read_evidence
from pytest_zephyr.results.evidence import Comment
from pytest_zephyr.results.evidence import Defect
from pytest_zephyr.results.evidence import Evidence
from pytest_zephyr.results.evidence import EvidenceEntry
from pytest_zephyr.results.evidence import Field
from pytest_zephyr.results.evidence import File
from pytest_zephyr.results.evidence import gather
from pytest_zephyr.results.evidence import LeftOut
from pytest_zephyr.results.evidence import NO_EVIDENCE
from pytest_zephyr.results.evidence import Step
from pytest_zephyr.results.fold import fold
from pytest_zephyr.results.records import Item
from pytest_zephyr.results.records import Origin
from pytest_zephyr.results.records import Outcome
from pytest_zephyr.results.records import Record
from pytest_zephyr.results.records import Start
from tests.unit.make import NODEID
from tests.unit.make import report


SHOT = File("shot.png", "image/png", "a" * 64, 7)

ALL_KINDS = (
    Comment("ünïcode <&>"),
    Defect("BUG-7"),
    Field("browser", "firefox"),
    Field("ratio", 1.5),
    Field("off", False),
    SHOT,
    Step(1, "Open", 0, "passed", "", 5),
    Step(2, 3, 1),
    LeftOut("film.webm", 0, "too large"),
)


@pytest.mark.parametrize("value", ALL_KINDS, ids=lambda value: type(value).__name__)
def test_a_line_is_read_as_it_was_written(value):
    """The line also has the attempt and the worker."""
    entry = EvidenceEntry(NODEID, value, attempt=2, worker="gw1")

    assert read_evidence(json.loads(json.dumps(line_of(entry)))) == entry


@pytest.mark.parametrize(
    "change",
    [
        {"digest": "../../etc/passwd"},
        {"digest": "a" * 63},
        {"digest": "A" * 64},
        {"digest": "a" * 64 + "\n"},
        {"digest": None},
        {"size": -1},
        {"size": True},
        {"size": "7"},
        {"size": 2**63},
        {"name": 7},
        {"name": ""},
        {"name": "a\r\nX-Evil: 1"},
        {"name": "a\0"},
        {"type": ""},
        {"type": "png"},
        {"type": "image/png\r\nX-Evil: 1"},
        {"type": "image/png; a=\n"},
        {"type": "image/pñg"},
        {"nodeid": None},
        {"attempt": 1.5},
        {"worker": []},
    ],
    ids=str,
)
def test_an_invalid_line_is_rejected(change):
    """The digest becomes the name of a file; name and type become headers of a request."""
    line: dict[str, Any] = line_of(EvidenceEntry(NODEID, SHOT)) | change

    with pytest.raises((TypeError, ValueError)):
        read_evidence(line)


@pytest.mark.parametrize(
    "type", ["text/plain", "image/svg+xml", "text/plain; charset=utf-8"]
)
def test_a_content_type_may_have_parameters(type):
    entry = EvidenceEntry(NODEID, replace(SHOT, type=type))

    assert read_evidence(line_of(entry)) == entry


def test_repetitions_are_gathered_once_with_the_last_value_of_a_field():
    evidence = gather(
        [
            Comment("a"), Comment("a"), Defect("B"), Defect("A"), Defect("B"), SHOT, SHOT,
            Field("n", 1), Field("n", 2), Step(1, "x"), Step(2, "y"),
            Step(1, "x", outcome="passed"),
        ]
    )  # fmt: skip

    assert evidence == Evidence(
        comments=("a",),
        defects=("B", "A"),
        fields=(("n", 2),),
        files=(SHOT,),
        steps=(Step(1, "x", outcome="passed"), Step(2, "y")),
    )
    assert bool(evidence)
    assert not gather([])


def comment_entry(text: str, attempt: int = 0, worker: str = "") -> EvidenceEntry:
    return EvidenceEntry(NODEID, Comment(text), attempt, worker)


def reports(attempt: int, outcome: str, worker: str = "") -> list[Record]:
    """Return the reports of an attempt whose call has this *outcome*."""
    return [
        report(when, outcome if when == "call" else "passed", attempt=attempt, worker=worker)
        for when in ("setup", "call", "teardown")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("records", "comments"),
    [
        pytest.param([comment_entry("a"), *reports(0, "passed")], ("a",), id="one attempt"),
        pytest.param(
            [comment_entry("a"), comment_entry("b", 1), *reports(0, "rerun"), *reports(1, "passed")],
            ("b",),
            id="the last attempt",
        ),
        pytest.param(
            [comment_entry("a"), *reports(0, "rerun"), *reports(1, "passed")],
            (),
            id="nothing in the last",
        ),
        pytest.param(
            [comment_entry("a"), comment_entry("b", 1), *reports(0, "rerun"), Start(NODEID)],
            ("b",),
            id="killed in the second",
        ),
        pytest.param(
            [
                comment_entry("a", 0, "gw0"), comment_entry("b", 1, "gw1"), *reports(0, "passed", "gw0"),
                *reports(1, "failed", "gw1"),
            ],
            ("a", "b"),
            id="each worker has its own last attempt",
        ),
        pytest.param([comment_entry("a"), Start(NODEID)], ("a",), id="killed"),
        pytest.param(
            [Item(NODEID, comment="mark", defects=("B",)), comment_entry("a")],
            ("mark", "a"),
            id="the comment of the marker is first",
        ),
    ],
)  # fmt: skip
def test_evidence_is_that_of_the_last_attempt(records, comments):
    (node,) = fold(records)

    assert node.evidence.comments == comments


def test_tests_without_evidence_share_one_empty_value():
    """They also share their origin."""
    origin = Origin("https://ci.example/1", "c0ffee")
    (node,) = fold(reports(0, "passed"), origin)

    assert node.evidence is NO_EVIDENCE
    assert node.origin is origin


def test_evidence_does_not_change_the_outcome():
    (node,) = fold([Start(NODEID), comment_entry("a"), *reports(0, "passed")])

    assert node.outcome is Outcome.PASSED
