"""The notes of an execution: what is in them, and how they are shortened."""

from __future__ import annotations

from dataclasses import replace
import html
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import pytest

from pytest_zephyr.results.evidence import Evidence
from pytest_zephyr.results.evidence import LeftOut
from pytest_zephyr.results.evidence import Step
from pytest_zephyr.results.notes import escape
from pytest_zephyr.results.notes import fit
from pytest_zephyr.results.notes import full_text
from pytest_zephyr.results.notes import is_ours
from pytest_zephyr.results.notes import one_line_notes
from pytest_zephyr.results.notes import write_notes
from pytest_zephyr.results.records import NodeResult
from pytest_zephyr.results.records import Origin
from pytest_zephyr.results.records import Outcome
from pytest_zephyr.results.records import worst
from tests.unit.make import deterministic
from tests.unit.make import failure
from tests.unit.make import node
from tests.unit.make import notes_options


def notes_of(*nodes: NodeResult, **options: Any) -> str | None:
    outcome = worst(each.outcome for each in nodes)
    return write_notes(nodes, outcome, notes_options(**options))


FAILED = node(
    Outcome.FAILED,
    duration=1_234_567,
    failures=(failure("call", "test_pay.py:3: assert 1 == 2", "def test…"),),
)
FLAKY = node(
    Outcome.PASSED,
    attempts=2,
    earlier_failure=failure("call", "test_pay.py:3: TimeoutError"),
)


@pytest.mark.parametrize(
    ("tested", "never", "failed", "always"),
    [
        pytest.param(node(Outcome.PASSED), False, False, True, id="passed"),
        pytest.param(node(Outcome.SKIPPED), False, False, True, id="skipped"),
        pytest.param(node(Outcome.UNRUN), False, False, True, id="unrun"),
        pytest.param(node(Outcome.XFAILED), False, True, True, id="xfailed"),
        pytest.param(node(Outcome.XPASSED), False, True, True, id="xpassed"),
        pytest.param(node(Outcome.ERROR), False, True, True, id="error"),
        pytest.param(node(Outcome.CRASHED), False, True, True, id="crashed"),
        pytest.param(node(Outcome.FAILED), False, True, True, id="failed"),
        pytest.param(FLAKY, False, True, True, id="pass after reruns"),
    ],
)
def test_notes_are_written_if_the_option_comment_says_so(tested, never, failed, always):
    """`failed` includes expected failures, unexpected passes and passes after reruns."""
    output = {
        mode: notes_of(tested, comment=mode) for mode in ("never", "failed", "always")
    }

    assert {mode: text is not None for mode, text in output.items()} == {
        "never": never,
        "failed": failed,
        "always": always,
    }


def test_a_single_test_has_its_line_and_its_failure():
    """Outcome, node id and duration are first, then the failed line and the traceback."""
    assert notes_of(FAILED) == (
        "failed test_pay.py::test_card (1.23 s)\n"
        "\n"
        "test_pay.py:3: assert 1 == 2\n"
        "def test…"
    )


def test_reruns_are_counted_and_the_first_failure_is_shown():
    """The notes of a pass have the number of attempts, and why the first one failed."""
    assert notes_of(FLAKY) == (
        "passed test_pay.py::test_card (0.00 s) after 2 attempts\n"
        "\n"
        "first attempt: test_pay.py:3: TimeoutError"
    )


def test_the_reason_follows_its_test():
    """The reason of an expected failure is at the end of the line about its test."""
    tested = node(Outcome.XFAILED, reason="BUG-7")

    assert notes_of(tested) == "xfailed test_pay.py::test_card (0.00 s) - BUG-7"


def test_a_failed_subtest_is_named():
    """The name of the subtest is before the line that failed."""
    tested = node(
        Outcome.FAILED, failures=(failure("call", "t.py:1: no", subtest="[euro]"),)
    )

    assert (notes_of(tested) or "").endswith("\n\n[euro]: t.py:1: no")


def test_a_failure_without_a_line_says_when_and_in_which_test():
    """A crash has no failed line, and an error in a fixture may have none."""
    tested = node(Outcome.ERROR, failures=(failure("teardown", "", "stack"),))

    assert (notes_of(tested) or "").endswith(
        "\n\nteardown of test_pay.py::test_card\nstack"
    )


def test_many_tests_have_a_count_and_a_line_each_worst_first():
    """A pass counts as worse than a skip; equal outcomes are sorted by node id."""
    nodes = [
        node(Outcome.PASSED, "t[b]"),
        node(Outcome.SKIPPED, "t[a]"),
        node(Outcome.FAILED, "t[d]"),
        node(Outcome.PASSED, "t[a2]"),
    ]

    assert notes_of(*nodes) == (
        "failed: 1 of 4 tests\n"
        "failed t[d] (0.00 s)\n"
        "passed t[a2] (0.00 s)\n"
        "passed t[b] (0.00 s)\n"
        "skipped t[a] (0.00 s)"
    )


def test_a_failure_that_does_not_decide_is_in_the_notes():
    """With a custom status map, a test case may pass while one of its tests failed."""
    nodes = [node(Outcome.PASSED, "a"), node(Outcome.FAILED, "b")]
    text = write_notes(nodes, Outcome.PASSED, notes_options("failed"))

    assert text is not None
    assert text.startswith("passed: 1 of 2 tests\nfailed b")


@pytest.mark.parametrize(
    ("plain", "escaped"),
    [
        pytest.param("a < b > c & d", "a &lt; b &gt; c &amp; d", id="markup"),
        pytest.param("&lt;", "&amp;lt;", id="looks escaped"),
        pytest.param(
            "\x1b[31mred\x1b[0m \x1b[1;32mgreen\x1b[m", "red green", id="colour"
        ),
        pytest.param("a\x00b\x08c\x7fd\x9be", "a�b�c�d�e", id="control characters"),
        pytest.param("\x1b[2Jx", "�[2Jx", id="other terminal sequence"),
        pytest.param("a\tb\nc\rd", "a\tb\nc\rd", id="white space"),
        pytest.param("\ud83d x \udc00", "� x �", id="half surrogates"),
        pytest.param("\ufffe\uffff", "��", id="noncharacters"),
        pytest.param("Grüße 中 🙂", "Grüße 中 🙂", id="letters"),
    ],
)
def test_markup_is_escaped_colours_removed_unprintable_text_replaced(plain, escaped):
    """The server shows notes as HTML. Letters and white space stay unchanged."""
    assert escape(plain) == escaped


def test_node_id_reason_and_failures_are_escaped():
    """They may have any text."""
    tested = node(
        Outcome.FAILED,
        "t[<b>]",
        reason="<i>",
        failures=(failure("call", "<u>", "<script>", subtest="<s>"),),
        earlier_failure=failure("call", "<p>"),
    )
    output = notes_of(tested) or ""

    assert "<" not in output
    assert output.count("&lt;") == 6


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        pytest.param("short", 5, "short", id="as long as allowed"),
        pytest.param(
            "a" * 60 + "b" * 60,
            60,
            "a" * 20 + "\n[… 91 characters left out …]\n" + "b" * 9,
            id="middle",
        ),
        pytest.param("abcdef", 3, "\n[…", id="no room"),
        pytest.param("abcdef", 0, "", id="nothing allowed"),
    ],
)
def test_a_long_text_is_cut_from_its_middle(text, limit, expected):
    """The beginning has two thirds of the room that the mark leaves, the end the rest."""
    assert fit(text, limit) == expected


def test_notes_keep_to_their_limit():
    """The limit counts what is sent, after escaping."""
    tested = node(Outcome.FAILED, failures=(failure("call", "", "<" * 5_000),))
    output = notes_of(tested, limit=1_000) or ""

    assert 900 < len(output) <= 1_000
    assert output.startswith("failed test_pay.py::test_card")
    assert output.endswith("&lt;")


#: Evidence, the failure and the page of the job are all too long.
TOO_LONG = node(
    Outcome.FAILED,
    failures=(failure("call", "", "x" * 5_000),),
    evidence=Evidence(comments=("y" * 5_000,)),
    origin=Origin("https://ci.example/" + "z" * 5_000),
)


@pytest.mark.parametrize("limit", [300, 1_000, 4_000])
def test_no_cut_damages_the_mark_of_another_cut(limit):
    """Apart from complete marks, the notes are ASCII."""
    output = notes_of(TOO_LONG, limit=limit) or ""

    assert len(output) <= limit
    assert re.sub(r"\n\[… \d+ characters left out …\]\n", "", output).isascii()
    assert output.startswith("failed test_pay.py::test_card")
    assert "xxx" in output


def test_notes_keep_to_a_limit_that_is_too_low_for_their_marks():
    assert len(notes_of(TOO_LONG, limit=60) or "") <= 60


@pytest.mark.parametrize("outcome", list(Outcome), ids=lambda each: each.value)
@pytest.mark.parametrize("count", [1, 3])
def test_our_notes_are_recognised(outcome, count):
    """A later run may replace all notes of ours, shortened or not."""
    nodes = [
        node(outcome, f"t.py::test_a[{i}]", failures=(failure("call", "", "x" * 500),))
        for i in range(count)
    ]

    assert is_ours(one_line_notes(nodes, outcome))
    assert is_ours(notes_of(*nodes, comment="always") or "")
    assert is_ours(notes_of(*nodes, comment="always", limit=300) or "")


@pytest.mark.parametrize(
    "notes",
    [
        "",
        "Looks fine",
        "Passed by hand",
        "see: failed before",
        "failedtest",
        "failed on staging as well, see BUG-7",
        "passed: checked with the customer",
        "skipped because the device is broken (again)",
        "error 500 of the payment service",
        "crashed twice (2.5 s after start)",
        "failed: 3 of the testers saw it",
    ],
    ids=lambda notes: notes or "empty",
)
def test_notes_of_a_person_are_not_ours(notes):
    """A sentence may begin with an outcome; empty notes are not ours either."""
    assert not is_ours(notes)


@pytest.mark.parametrize(
    ("nodes", "line"),
    [
        pytest.param(
            [node(Outcome.PASSED, "t[<]", duration=5_000)],
            "passed t[&lt;] (0.01 s)",
            id="one test",
        ),
        pytest.param(
            [node(Outcome.PASSED, "a"), node(Outcome.SKIPPED, "b")],
            "passed: 1 of 2 tests",
            id="two tests",
        ),
    ],
)
def test_the_notes_in_one_line_have_the_test_or_a_count(nodes, line):
    """They replace the notes of an earlier run."""
    assert one_line_notes(nodes, Outcome.PASSED) == line


ESCAPES = re.compile(r"&(?:amp|lt|gt);")


@deterministic
@given(st.text(st.sampled_from("<>&; alt"), max_size=300), st.integers(0, 320))
def test_a_cut_text_has_no_broken_escape(plain: str, limit: int) -> None:
    """Every ampersand begins a complete escape."""
    output = fit(escape(plain), limit)

    assert len(output) <= limit
    assert "&" not in ESCAPES.sub("", output)


@pytest.mark.parametrize("escaped", ["&amp;", "&lt;", "a&gt;"])
def test_no_part_of_an_escape_is_left_at_a_cut(escaped):
    """The text around the cut has complete escapes only, and nearly fills the limit."""
    for limit in range(33, 160):
        output = fit(escaped * 50, limit)
        remaining = re.sub(r"\n\[… \d+ characters left out …\]\n", "", output)

        assert ESCAPES.sub("", remaining).strip("a") == ""
        assert limit - 12 <= len(output) <= limit


@deterministic
@given(st.text(), st.integers(0, 100))
def test_any_text_fits(text: str, limit: int) -> None:
    """No text is longer than allowed, and a text that fits stays unchanged."""
    output = fit(text, limit)

    assert len(output) <= limit
    assert output == text or len(text) > limit


@deterministic
@given(st.text(st.characters()))
def test_escaped_text_can_be_sent(text: str) -> None:
    """It can be encoded as UTF-8, and has no markup and no terminal sequence."""
    output = escape(text)
    output.encode("utf-8")

    assert "<" not in output
    assert ">" not in output
    assert "\x1b" not in output


@deterministic
@given(
    st.lists(
        st.builds(
            node,
            st.sampled_from(list(Outcome)),
            st.sampled_from(["a", "b", "c", "d"]),
            duration=st.integers(0, 9_000_000),
        ),
        min_size=1,
        max_size=4,
        unique_by=lambda each: each.nodeid,
    ),
    st.randoms(use_true_random=False),
)
def test_notes_do_not_depend_on_the_order_of_tests(nodes, chance):
    """Workers finish in any order; the notes are the same."""
    shuffled = list(nodes)
    chance.shuffle(shuffled)

    assert notes_of(*shuffled, comment="always") == notes_of(*nodes, comment="always")


# Evidence


EVIDENCE = Evidence(
    comments=("slow <today>",),
    defects=("BUG-7", "BUG-8"),
    fields=(("browser", "firefox"), ("n", 3)),
    left_out=(LeftOut("film.webm", 11 * 1024**2, "larger than 10M"),),
)


EVIDENCE_LINES = (
    "defects: BUG-7, BUG-8\n"
    "comment: slow &lt;today&gt;\n"
    "browser: firefox\n"
    "n: 3\n"
    "left out: film.webm (11M), larger than 10M"
)


@pytest.mark.parametrize("comment", ["never", "failed", "always"])
def test_evidence_is_always_in_the_notes(comment):
    """It follows the line of the test, so the notes can be recognised as ours."""
    text = notes_of(node(Outcome.PASSED, evidence=EVIDENCE), comment=comment)

    assert text == f"passed test_pay.py::test_card (0.00 s)\n{EVIDENCE_LINES}"
    assert is_ours(text)


def test_evidence_of_several_tests_has_the_names_of_the_tests():
    """Defects are listed once for all tests."""
    nodes = [node(Outcome.PASSED, f"t[{n}]", evidence=EVIDENCE) for n in "ab"]

    assert (notes_of(*nodes) or "").splitlines()[3:] == [
        "defects: BUG-7, BUG-8",
        "comment (t[a]): slow &lt;today&gt;",
        "browser (t[a]): firefox",
        "n (t[a]): 3",
        "left out (t[a]): film.webm (11M), larger than 10M",
        "comment (t[b]): slow &lt;today&gt;",
        "browser (t[b]): firefox",
        "n (t[b]): 3",
        "left out (t[b]): film.webm (11M), larger than 10M",
    ]


def test_with_comment_never_notes_about_evidence_have_no_failure():
    tested = replace(FAILED, evidence=Evidence(comments=("a",)))

    assert (notes_of(tested, comment="never") or "").splitlines() == [
        "failed test_pay.py::test_card (1.23 s)",
        "comment: a",
    ]


def test_nested_steps_are_indented():
    steps = [
        Step(1, "Open", 0, "passed"),
        Step(2, "Wait", 1, "failed", "TimeoutError: 5 s"),
        Step(3, 7, 0),
    ]
    text = write_notes([node(Outcome.PASSED)], Outcome.PASSED, notes_options(), steps)

    assert (text or "").splitlines()[1:] == [
        "steps:",
        "  passed Open",
        "    failed Wait - TimeoutError: 5 s",
        "  not finished step 7",
    ]


def test_a_step_of_any_depth_is_listed():
    """The depth in an edited journal may be very high."""
    steps = [Step(1, "Open", 2**62, "passed")]
    text = write_notes([node(Outcome.PASSED)], Outcome.PASSED, notes_options(), steps)

    assert (text or "").endswith("  passed Open")


def test_job_and_commit_are_at_the_end_once():
    here = Origin("https://ci.example/1", "c0ffee")
    nodes = [replace(FAILED, origin=here), node(Outcome.PASSED, "t", origin=here)]

    assert (notes_of(*nodes) or "").endswith(
        "\n\nCI job: https://ci.example/1\ncommit: c0ffee"
    )


def test_only_the_failure_is_cut():
    """Evidence and job stay complete, and the full text has everything."""
    tested = node(
        Outcome.FAILED,
        failures=(failure("call", "t.py:1: no", "<" * 5000),),
        evidence=EVIDENCE,
        origin=Origin("https://ci.example/1"),
    )
    text = notes_of(tested, limit=700) or ""
    full = full_text([tested], Outcome.FAILED, notes_options(limit=700)) or ""

    assert len(text) <= 700
    assert EVIDENCE_LINES in text
    assert "t.py:1: no" in text
    assert text.endswith("\nCI job: https://ci.example/1")
    assert html.unescape(EVIDENCE_LINES) in full
    assert "t.py:1: no\n" + "<" * 5000 in full
    assert full.endswith("\nCI job: https://ci.example/1")


@pytest.mark.parametrize(
    ("length", "is_cut"),
    [(10, False), (900, False), (1100, True), (5000, True)],
    ids=["short", "nearly full", "too long", "much too long"],
)
def test_only_notes_that_are_cut_have_a_full_text(length, is_cut):
    tested = node(Outcome.FAILED, failures=(failure("call", "", "x" * length),))
    full = full_text([tested], Outcome.FAILED, notes_options(limit=1000))

    assert (full is not None) == is_cut
    assert len(notes_of(tested, limit=1000) or "") <= 1000
