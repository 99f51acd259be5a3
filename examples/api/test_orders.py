"""Orders can be placed and read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_zephyr import Zephyr


if TYPE_CHECKING:
    from conftest import Api


@pytest.mark.zephyr(301)
def test_order_is_stored(api: Api, zephyr: Zephyr) -> None:
    with zephyr.step("Place an order"):
        placed = api.call("POST", "/orders", json={"item": "tea", "count": 2})
        assert placed.status_code == 201
    with zephyr.step("Read it"):
        order = api.call("GET", f"/orders/{placed.json()['id']}").json()
    with zephyr.step("Compare"):
        assert order == placed.json()
    zephyr.field("order", order["id"])


@pytest.mark.zephyr(302)
def test_unknown_order_is_not_found(api: Api) -> None:
    assert api.call("GET", "/orders/999").status_code == 404


@pytest.mark.zephyr(303, defects=["SHOP-17"], fields={"endpoint": "/orders"})
@pytest.mark.xfail(reason="SHOP-17: an order with count 0 is accepted")
def test_empty_order_is_refused(api: Api) -> None:
    placed = api.call("POST", "/orders", json={"item": "tea", "count": 0})
    assert placed.status_code == 400
