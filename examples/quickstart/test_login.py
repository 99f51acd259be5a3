"""Each marker names the test cases of a test.

It has their numbers in Zephyr's ID column, or an Alt ID.
"""

from __future__ import annotations

import pytest


USERS = {"ada": "engine", "grace": "compiler"}


def log_in(name: str, password: str) -> bool:
    return USERS.get(name) == password


@pytest.mark.zephyr(101)
@pytest.mark.parametrize("name", USERS)
def test_right_password_logs_in(name: str) -> None:
    """Both parameters verify test case 101, which fails if one of them fails."""
    assert log_in(name, USERS[name])


@pytest.mark.zephyr("TC-102", "TC-103")
def test_wrong_password_is_refused() -> None:
    """One test may verify several test cases."""
    assert not log_in("ada", "guess")


@pytest.mark.zephyr(alt="AUTH-7")
@pytest.mark.xfail(reason="BUG-12: names are not trimmed yet")
def test_name_is_trimmed() -> None:
    """The marker names an Alt ID; an expected failure is reported as Blocked."""
    assert log_in(" ada ", "engine")


@pytest.mark.zephyr(105)
@pytest.mark.skip(reason="needs the mail server")
def test_forgotten_password_is_mailed() -> None:
    """A skipped test does not change its test case."""
