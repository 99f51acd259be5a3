"""Take the pictures of the documents: a run in a terminal, and pages of the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
import re
from shutil import which
from tempfile import TemporaryDirectory
from textwrap import dedent

from playwright.sync_api import Browser
from playwright.sync_api import sync_playwright

from tools.record import demo
from tools.record import excerpt
from tools.record import SITE
from tools.record import Stage


PICTURES = SITE / "_static" / "pictures"

SUITE = """
    import pytest


    @pytest.mark.zephyr(101)
    def test_log_in(zephyr):
        with zephyr.step("Open the login page"):
            pass
        with zephyr.step("Enter name and password"):
            pass


    @pytest.mark.zephyr(102)
    @pytest.mark.parametrize("password", ["", "guess", "engine "])
    def test_wrong_password(password):
        assert password != "engine"


    @pytest.mark.zephyr(103)
    def test_log_out():
        pass


    @pytest.mark.zephyr(104)
    def test_reset_password(zephyr):
        with zephyr.step("Ask for the e-mail"):
            zephyr.attach_text("250 queued", name="mail.log")
        with zephyr.step("Follow its link"):
            link = "https://shop.example/"
            zephyr.field("browser", "firefox")
            zephyr.defect("SHOP-7")
            assert link == "https://shop.example/reset"


    @pytest.mark.zephyr(105)
    @pytest.mark.xfail(reason="SHOP-12: addresses are not checked yet")
    def test_change_address():
        raise ValueError("no @")


    @pytest.mark.zephyr(999)
    def test_refund():
        pass
"""

_COLOUR = re.compile(r"\x1b\[([\d;]*)m")

_COLOURS = {
    "1": "font-weight:bold",
    "31": "color:#ff7b72",
    "32": "color:#56d364",
    "33": "color:#e3b341",
    "35": "color:#d2a8ff",
    "36": "color:#76e3ea",
    "90": "color:#8b949e",
    "94": "color:#79c0ff",
}

_TERMINAL = """<!doctype html><meta charset=utf-8><style>
pre {{ background: #0d1117; color: #e6edf3; font: 14px/1.45 monospace; padding: 18px 22px;
       margin: 0; width: max-content; max-width: 1060px; white-space: pre-wrap;
       border-radius: 8px }}
</style><pre>{}</pre>"""


#: The file with the lines about the report that the picture of the terminal shows.
TERMINAL_TEXT = PICTURES / "terminal.txt"

COMMAND = "pytest --zephyr --tb=short"


@contextmanager
def demo_run() -> Iterator[tuple[str, str]]:
    """Run the suite; yield the output in the terminal, and the address of the sandbox."""
    with TemporaryDirectory() as name, demo() as variables:
        directory = Path(name)
        (directory / "test_account.py").write_text(dedent(SUITE), "utf-8")
        output = Stage(directory, variables).run(f"{COMMAND} --color=yes")
        terminal = re.sub(r"^plugins: .*\n", "", output, flags=re.MULTILINE)
        yield terminal, variables["ZEPHYR_URL"]


def report_lines(terminal: str) -> str:
    """Return the lines about the report in *terminal*, without colours."""
    return excerpt(_COLOUR.sub("", terminal), "== zephyr ==")


def take() -> None:
    """Write the pictures of a run, and of the sandbox's pages with its results."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    with demo_run() as (terminal, address), sync_playwright() as playwright:
        TERMINAL_TEXT.write_text(report_lines(terminal), "utf-8")
        browser = playwright.chromium.launch(executable_path=which("chromium"))
        _take_terminal(browser, f"\x1b[32m$\x1b[0m {COMMAND}\n{terminal}")
        _take_pages(browser, address)
        browser.close()


def _take_terminal(browser: Browser, text: str) -> None:
    tab = browser.new_page(
        device_scale_factor=2, viewport={"width": 1100, "height": 800}
    )
    tab.set_content(_TERMINAL.format(_as_html(text.rstrip())))
    tab.locator("pre").screenshot(path=PICTURES / "terminal.png", omit_background=True)


def _take_pages(browser: Browser, address: str) -> None:
    tab = browser.new_page(viewport={"width": 1000, "height": 540})
    tab.goto(address)
    tab.get_by_role("link", name="Smoke").click()
    tab.locator(".row").first.wait_for()
    tab.screenshot(path=PICTURES / "phase.png")
    tab.set_viewport_size({"width": 1000, "height": 1400})
    row = tab.locator(".row").filter(has=tab.get_by_text("104", exact=True))
    row.locator("summary").click()
    row.locator(".notes").wait_for()
    row.screenshot(path=PICTURES / "result.png")


def _as_html(text: str) -> str:
    """Return the *text* of a terminal as HTML with its colours."""
    pieces = _COLOUR.split(text)
    html = [escape(pieces[0])]
    styles: list[str] = []
    for codes, piece in zip(pieces[1::2], pieces[2::2], strict=True):
        for code in codes.split(";"):
            styles = [*styles, _COLOURS[code]] if code in _COLOURS else []
        html.append(f'<span style="{";".join(styles)}">{escape(piece)}</span>')
    return "".join(html)
