"""Statuses of a server, and the status of each outcome on it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
import pytest

from pytest_zephyr.results.records import Outcome
from pytest_zephyr.results.status import Choice
from pytest_zephyr.results.status import choices
from pytest_zephyr.results.status import DEFAULT_MAP
from pytest_zephyr.results.status import severity
from pytest_zephyr.results.status import Status
from pytest_zephyr.results.status import STOCK
from tests.unit.make import BLOCKED
from tests.unit.make import choices_of
from tests.unit.make import CUSTOM
from tests.unit.make import deterministic
from tests.unit.make import FAIL
from tests.unit.make import PASS
from tests.unit.make import WIP


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Outcome.PASSED, PASS),
        (Outcome.FAILED, FAIL),
        (Outcome.ERROR, FAIL),
        (Outcome.CRASHED, FAIL),
        (Outcome.XFAILED, BLOCKED),
        (Outcome.XPASSED, PASS),
        (Outcome.SKIPPED, None),
        (Outcome.UNRUN, None),
    ],
    ids=lambda each: each.value if isinstance(each, Outcome) else each and each.name,
)
def test_each_outcome_has_its_default_status(outcome, status):
    """It is a stock status; skipped and unrun have none."""
    assert choices_of()[outcome] == Choice(status)


def test_defaults_are_ids_whatever_the_server_calls_them():
    """A server in another language has the stock ids under other names."""
    german = [Status("1", "Bestanden"), Status("2", "Fehler"), Status("4", "Blockiert")]

    assert choices({}, "the default", german)[Outcome.FAILED].status == german[1]


@pytest.mark.parametrize(
    ("text", "status"),
    [
        pytest.param("4", BLOCKED, id="id"),
        pytest.param("Blocked", BLOCKED, id="name"),
        pytest.param("bLOCKED", BLOCKED, id="other case"),
        pytest.param("Needs a look", CUSTOM, id="custom name"),
        pytest.param("7", CUSTOM, id="custom id"),
        pytest.param("-", None, id="dash"),
    ],
)
def test_a_status_is_found_by_id_or_name(text, status):
    """Spelling in another case is accepted; a dash sends nothing."""
    assert choices_of(error=text)[Outcome.ERROR] == Choice(status)


def test_a_map_changes_only_what_it_names():
    """Other outcomes have their default."""
    chosen = choices_of(error="Blocked")

    assert chosen == {**choices_of(), Outcome.ERROR: Choice(BLOCKED)}


@pytest.mark.parametrize(
    ("text", "statuses"),
    [
        pytest.param("2", [Status("8", "2"), FAIL], id="id before name"),
        pytest.param("Fail", [Status("8", "FAIL"), FAIL], id="exact before other case"),
        pytest.param(
            "Fail",
            [Status("8", "Fail", active=False), FAIL],
            id="active before inactive",
        ),
        pytest.param("Fail", [FAIL, Status("9", "Fail")], id="first of two"),
    ],
)
def test_the_closest_of_several_candidates_is_used(text, statuses):
    """An id comes first, then the exact name, then the name in another case.

    Of statuses with the same name, the first active one is used.
    """
    chosen = choices({"error": text}, "from -o", statuses)

    assert chosen[Outcome.ERROR].status == FAIL


def test_an_unknown_status_is_a_problem_that_names_the_known_ones():
    """The message has value, outcome, source, the nearest name and what is allowed."""
    chosen = choices_of(error="Blcoked")[Outcome.ERROR]

    assert chosen.status is None
    assert chosen.problem == (
        "'Blcoked' for error (from pytest.ini) is not a status of this"
        " server. Did you mean Blocked? It has: Pass (1), Fail (2), WIP (3), Blocked"
        " (4), Needs a look (7)."
    )


def test_a_status_unlike_all_others_gets_no_hint():
    """No status is suggested if none is close."""
    assert "Did you mean" not in choices_of(error="zzz")[Outcome.ERROR].problem


@pytest.mark.parametrize(
    ("status_map", "source"),
    [({}, "the default"), ({"failed": "Fail"}, "from pytest.ini")],
    ids=["no map", "map of another outcome"],
)
def test_an_inactive_status_is_a_problem_of_its_outcome_only(status_map, source):
    """The message lists active statuses; other outcomes are not affected."""
    retired = [PASS, FAIL, WIP, Status("4", "Blocked", active=False)]
    chosen = choices(status_map, source, retired)

    assert chosen[Outcome.XFAILED].problem == (
        "'Blocked' for xfailed (the default) is inactive on this server. Map xfailed to"
        " another status with zephyr_status_map: Pass (1), Fail (2), WIP (3)."
    )
    assert [each for each in Outcome if chosen[each].problem] == [Outcome.XFAILED]


@pytest.mark.parametrize(
    ("worse", "better"),
    [(FAIL, BLOCKED), (BLOCKED, CUSTOM), (CUSTOM, PASS), (BLOCKED, WIP), (WIP, PASS)],
    ids=lambda status: status.name,
)
def test_fail_is_worst_and_pass_is_best(worse, better):
    """Fail is followed by Blocked, then by any other status, then by Pass."""
    assert severity(worse.id) > severity(better.id)


@deterministic
@given(st.dictionaries(st.sampled_from(list(Outcome)), st.text(max_size=8)))
def test_any_map_gives_every_outcome_a_choice(status_map):
    """Every outcome has a status, a problem, or a dash."""
    chosen = choices(
        {each.value: text for each, text in status_map.items()}, "from -o", STOCK
    )

    assert set(chosen) == set(Outcome)
    for outcome, choice in chosen.items():
        is_dash = status_map.get(outcome, DEFAULT_MAP[outcome]) == "-"
        assert bool(choice.status) + bool(choice.problem) == (not is_dash)
