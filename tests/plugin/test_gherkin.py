"""Tags of Gherkin files name test cases; by default only the closest level counts."""

from __future__ import annotations

import os

import pytest

from tests.conftest import without_and_with_xdist


pytest.importorskip("pytest_bdd")

FEATURE = """
    @zephyr:101 @slow
    Feature: Cart

      Scenario: of the feature
        Given a cart

      @TC-102 @zephyr:alt:CART-1
      Scenario: of the scenario
        Given a cart of stone

      @zephyr:103
      Scenario Outline: of the examples
        Given a cart of <what>

        @TC-104
        Examples: fruit
          | what  |
          | apple |
          | stone |

        Examples: others
          | what |
          | book |

      Rule: paid
        @zephyr_ignore
        Scenario: ignored
          Given a cart of stone

        Scenario: by hand
          Given a cart
    """

STEPS = """
    import pytest
    from pytest_bdd import given, parsers, scenario, scenarios

    @pytest.mark.zephyr(105)
    @scenario("cart.feature", "by hand")
    def test_by_hand(): assert 0

    scenarios("cart.feature")

    @given("a cart")
    def cart(): pass

    @given(parsers.parse("a cart of {what}"))
    def cart_of(what):
        assert what != "stone"
"""


@pytest.fixture(autouse=True)
def with_pytest_bdd(pytester, monkeypatch):
    """Enable pytest-bdd, which the fixture `pytester` disables."""
    options = os.environ["PYTEST_ADDOPTS"].replace("-p no:pytest-bdd", "")
    monkeypatch.setenv("PYTEST_ADDOPTS", options)


@pytest.fixture
def suite(pytester):
    pytester.makeini(
        "[pytest]\nmarkers = slow\naddopts = --strict-markers\nfilterwarnings = error\n"
    )
    pytester.makefile(".feature", cart=FEATURE)
    pytester.makepyfile(test_cart=STEPS)


@pytest.mark.parametrize("args", without_and_with_xdist(2))
def test_tags_of_the_closest_level_count(suite, target, run_zephyr, args):
    """Examples are closer than their scenario, and a scenario than its feature.

    A marker of the test function is closer than a tag of the feature.
    """
    target.schedule(110, alt="CART-1")
    ran = run_zephyr(*args, subprocess=bool(args))

    ran.result.assert_outcomes(passed=3, failed=4)
    assert {case: each for case, each in target.statuses().items() if each} == {
        101: "1",
        102: "2",
        103: "1",
        104: "2",
        105: "2",
        110: "2",
    }


def test_union_takes_the_tags_of_all_levels(suite, target, run_zephyr):
    ran = run_zephyr("-o", "zephyr_inherit=union", "-k", "stone")

    ran.result.assert_outcomes(failed=1)
    assert {case: each for case, each in target.statuses().items() if each} == {
        101: "2",
        103: "2",
        104: "2",
    }


def test_tags_are_plain_markers_while_reporting_is_off(suite, run_pytest):
    run_pytest("--no-zephyr", "-m", "not slow").result.assert_outcomes(deselected=7)
    run_pytest("--no-zephyr").result.assert_outcomes(passed=3, failed=4)


def test_an_invalid_tag_is_a_warning_on_its_test(pytester, target, run_zephyr):
    """With another ``zephyr_id_prefix``, ``@TC-1`` is an ordinary tag."""
    pytester.makeini("[pytest]\nzephyr_id_prefix = REQ_\nmarkers = TC-1\n")
    pytester.makefile(
        ".feature",
        cart="""
        Feature: Cart
          @zephyr:x @TC-1
          Scenario: one
            Given a cart
          @REQ_106
          Scenario: two
            Given a cart
        """,
    )
    pytester.makepyfile(
        """
        from pytest_bdd import given, scenarios

        scenarios(".")

        @given("a cart")
        def cart(): pass
        """
    )
    ran = run_zephyr()

    ran.result.assert_outcomes(passed=2, warnings=1)
    assert "test_one: 'x' is not a test case id" in ran.text
    assert target.statuses()[106] == "1"
