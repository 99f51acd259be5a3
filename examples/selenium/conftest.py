"""A browser for each test; a failed test gets a screenshot and the page source."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import fake_browser
import pytest

from pytest_zephyr import ZephyrRecord


def pytest_zephyr_record(item: pytest.Function, record: ZephyrRecord) -> None:
    if record.failed and (driver := item.funcargs.get("driver")):
        record.attach(driver.get_screenshot_as_png(), name="screen.png")
        record.attach_text(driver.page_source, name="page.html")


@pytest.fixture
def driver() -> Iterator[Any]:
    try:
        from selenium import webdriver

        options = webdriver.ChromeOptions()
        options.add_argument("--headless=new")
        driver = webdriver.Chrome(options=options)
    except Exception:  # noqa: BLE001 - neither Selenium nor a browser is required
        driver = fake_browser.Driver()
    yield driver
    driver.quit()
