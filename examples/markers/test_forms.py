"""The closest marker wins: parameter, function, class, module."""

from __future__ import annotations

import pytest


pytestmark = pytest.mark.zephyr(201)


def test_proves_the_case_of_the_module() -> None:
    assert True


@pytest.mark.zephyr([202, 203])
class TestCheckout:
    def test_proves_both_cases_of_the_class(self) -> None:
        assert True

    @pytest.mark.zephyr(204)
    def test_proves_its_own_case(self) -> None:
        assert True

    @pytest.mark.zephyr_ignore
    def test_is_never_reported(self) -> None:
        assert True


@pytest.mark.parametrize(
    "card",
    [
        pytest.param("visa", marks=pytest.mark.zephyr(205)),
        pytest.param("amex", marks=pytest.mark.zephyr(206)),
    ],
)
def test_case_per_parameter(card: str) -> None:
    assert card


@pytest.mark.zephyr(by_id={"chrome-fast": 207, "firefox-fast": 208})
@pytest.mark.parametrize("speed", ["fast"])
@pytest.mark.parametrize("browser", ["chrome", "firefox"])
def test_case_per_combination(browser: str, speed: str) -> None:
    assert browser
    assert speed
