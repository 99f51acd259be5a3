"""The cart counts its products."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_zephyr import Zephyr


CART = Path(__file__).with_name("cart.html").as_uri()


@pytest.mark.zephyr(401)
def test_cart_is_empty_at_first(driver: Any) -> None:
    driver.get(CART)

    assert driver.title == "Cart"
    assert driver.find_element("id", "count").text == "0"


@pytest.mark.zephyr(402)
def test_cart_counts(driver: Any, zephyr: Zephyr) -> None:
    with zephyr.step("Open the cart"):
        driver.get(CART)
    with zephyr.step("Add tea twice"):
        driver.find_element("id", "add").click()
        driver.find_element("id", "add").click()
    with zephyr.step("Read the count"):
        assert driver.find_element("id", "count").text == "2"


@pytest.mark.zephyr(403)
def test_count_is_never_negative(driver: Any, zephyr: Zephyr) -> None:
    """Fails on purpose; its execution has a screenshot and the page source."""
    zephyr.defect("SHOP-23")
    driver.get(CART)
    driver.find_element("id", "remove").click()

    assert driver.find_element("id", "count").text == "0"
