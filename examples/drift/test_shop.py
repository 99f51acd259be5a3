from __future__ import annotations

import pytest


@pytest.mark.zephyr(801)
def test_login():
    assert "ada".isalpha()


@pytest.mark.zephyr(802)
def test_stock():
    assert 7 > 0


@pytest.mark.parametrize("currency", ["$", "€"])
def test_price(currency):
    assert f"7 {currency}".startswith("7")
