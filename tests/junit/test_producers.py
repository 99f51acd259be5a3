"""`pytest-zephyr import` of the XML files of many tools."""

from __future__ import annotations

import pytest

from tests.conftest import without_tag


PASS, FAIL, BLOCKED = "1", "2", "4"

#: The status of each test case after the file was imported; all others have none. A
#: comment names the tool whose documentation the file follows; the other files were
#: written by the tools themselves.
EXPECTED: dict[str, dict[int, str]] = {
    "behave.xml": {101: PASS, 102: FAIL, 103: FAIL},
    "ctest.xml": {101: PASS, 102: FAIL, 104: FAIL, 106: FAIL},
    "go.xml": {101: PASS, 102: FAIL, 103: FAIL},  # go-junit-report
    "gtest.xml": {101: PASS, 102: FAIL, 105: PASS, 106: PASS},  # GoogleTest
    "jest.xml": {101: PASS, 102: FAIL, 104: FAIL},
    "node.xml": {101: PASS, 102: FAIL, 105: FAIL},
    "nunit.xml": {101: PASS, 102: FAIL, 104: FAIL},  # NUnit 3, transformed
    "phpunit.xml": {101: PASS, 102: FAIL, 103: FAIL},  # PHPUnit
    "playwright.xml": {101: PASS, 102: PASS, 103: FAIL, 104: PASS, 110: FAIL},
    "pytest.xml": {101: PASS, 102: FAIL, 103: FAIL, 105: BLOCKED, 106: PASS},
    "robot.xml": {101: PASS, 102: FAIL},
    "surefire.xml": {101: PASS, 102: FAIL, 103: PASS, 104: FAIL, 106: PASS},  # Maven
    "testng.xml": {101: PASS, 102: FAIL},  # TestNG
    "unittest.xml": {101: PASS, 102: FAIL, 104: FAIL, 105: BLOCKED, 106: FAIL},
    "vitest.xml": {101: PASS, 102: FAIL},
}


@pytest.mark.parametrize("name", EXPECTED)
def test_the_server_has_the_results_of_an_xml_file(
    name, write_file, run_import, target
):
    """The ids of test cases are in properties, in attributes or in the names of tests."""
    target.schedule(110, alt="AUTH-1")
    pattern = r"--zephyr-id-pattern=(?i)TC-?(\d+)"
    imported = run_import(write_file(name), pattern, "--push")

    statuses = {case: status for case, status in target.statuses().items() if status}
    assert statuses == EXPECTED[name], imported.text


def test_the_last_attempt_counts(write_file, run_import, target):
    """Surefire writes earlier attempts of a passed test, and later ones of a failed test."""
    run_import(write_file("surefire.xml"), r"--zephyr-id-pattern=(?i)TC(\d+)", "--push")

    passed = target.execution(103).comment
    assert passed.startswith(
        "passed shop.CartTest.tc103_flaky (0.00 s) after 3 attempts"
    )
    assert "first attempt: stock was not ready" in passed
    failed = without_tag(target.execution(102).comment)
    assert failed.startswith(
        "error shop.CartTest.tc102_total (0.01 s) after 3 attempts"
    )
    assert "java.net.ConnectException: no connection\n\tat shop.CartTest" in failed
    assert (
        "first attempt: total ==&gt; expected: &lt;12&gt; but was: &lt;11&gt;" in failed
    )
    assert "was: &lt;10&gt;" not in failed


def test_a_duration_may_have_commas_between_thousands(write_file, run_import, target):
    """Surefire writes seconds as 1,200.5."""
    run_import(write_file("surefire.xml"), r"--zephyr-id-pattern=(?i)TC(\d+)", "--push")

    assert target.execution(101).actual_time == 1_200_500


def test_all_lines_of_a_message_are_in_the_notes(write_file, run_import, target):
    """NUnit writes the message only as an attribute; the text has the location."""
    run_import(write_file("nunit.xml"), r"--zephyr-id-pattern=(?i)TC(\d+)", "--push")
    notes = target.execution(102).comment.replace("\r", "")

    assert "Expected: 12\n  But was:  11\n" in notes
    assert "CartTest.cs:line 21" in notes
