"""Pages have a title."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_zephyr import Zephyr


@pytest.mark.zephyr(501)
def test_page_has_a_title(page: Any, zephyr: Zephyr) -> None:
    with zephyr.step("Open the page"):
        page.set_content("<title>Shop</title>")
    with zephyr.step("Look at its title"):
        assert page.title() == "Shop"


@pytest.mark.zephyr(502)
def test_title_names_the_user(page: Any) -> None:
    """Fails on purpose; its execution has a screenshot and a trace."""
    page.set_content("<title>Shop</title>")

    assert page.title() == "Ada's shop"
