from __future__ import annotations

import pytest


def test_login():
    assert "ada".isalpha()


@pytest.mark.parametrize("currency", ["$", "€"])
def test_price(currency):
    assert f"7 {currency}".startswith("7")


class TestCart:
    def test_is_empty(self):
        assert not []

    def test_takes_books(self):
        assert ["book"]
