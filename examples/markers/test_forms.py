"""The closest marker counts: parameter, function, class, module."""

from __future__ import annotations

import pytest


pytestmark = pytest.mark.zephyr(201)


def test_verifies_the_case_of_the_module() -> None:
    assert True


@pytest.mark.zephyr([202, 203])
class TestCheckout:
    def test_verifies_both_cases_of_the_class(self) -> None:
        assert True

    @pytest.mark.zephyr(204)
    def test_verifies_its_own_case(self) -> None:
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
def test_each_parameter_has_a_case(card: str) -> None:
    assert card


@pytest.mark.zephyr(by_id={"chrome-fast": 207, "firefox-fast": 208})
@pytest.mark.parametrize("speed", ["fast"])
@pytest.mark.parametrize("browser", ["chrome", "firefox"])
def test_each_combination_has_a_case(browser: str, speed: str) -> None:
    assert browser
    assert speed
