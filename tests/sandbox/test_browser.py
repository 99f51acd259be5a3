"""The web pages in a real browser."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
import re
from shutil import which
from typing import Any

from playwright.sync_api import Browser
from playwright.sync_api import expect
from playwright.sync_api import Page
from playwright.sync_api import sync_playwright
import pytest

from pytest_zephyr.sandbox import Sandbox
from tests.conftest import SandboxTarget
from tests.sandbox.conftest import Api


CHROMIUM = which("chromium") or which("chromium-browser") or which("google-chrome")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on PATH")

ONE_PIXEL_PNG = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAA"
    "AABJRU5ErkJggg=="
)
STATUS_IDS = ["1", "2", "3", "4", "7", None]
NAMES = [
    "Pay by card",
    "Reject a wrong password and say how many attempts are left, in every language",
    f"test_checkout[{'x' * 120}]",
    "<img src=x onerror=hit=1><script>hit=1</script>",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        # A busy machine may be slow.
        expect.set_options(timeout=60_000)
        yield browser
        browser.close()


@pytest.fixture
def tab(browser: Browser, sandbox: Sandbox) -> Iterator[Page]:
    """Open a tab.

    Errors, warnings and dialogs of its pages, and requests to other servers, fail the test.
    """
    complaints: list[str] = []
    with browser.new_context(base_url=sandbox.url) as context:
        tab = context.new_page()
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("dialog", lambda dialog: complaints.append(dialog.message))

        def check_message(message: Any) -> None:
            if message.type in ("error", "warning"):
                complaints.append(message.text)

        def check_address(request: Any) -> None:
            if not request.url.startswith(sandbox.url):
                complaints.append(request.url)

        tab.on("console", check_message)
        tab.on("request", check_address)
        yield tab
    assert complaints == []


class PhaseWithResults:
    """A phase with two test cases of each status, and two that were not executed.

    Test case 102 has steps, notes, a history, a defect and an image.
    """

    def __init__(self, sandbox: Sandbox, api: Api, target: SandboxTarget) -> None:
        self._store, self._api = sandbox.store, api
        self.id = target.phase
        self._store.set_statuses(
            [
                ("1", "Pass", True),
                ("2", "Fail", True),
                ("3", "WIP", True),
                ("4", "Blocked", True),
                ("7", "Needs a second look by the team", True),
            ]
        )
        for number in range(12):
            self._store.add_case(
                target.release,
                f"{NAMES[number % len(NAMES)]} {number}",
                testcase_id=101 + number,
                steps=["Open <b>it</b>", "Pay"] if number == 1 else (),
            )
        self._store.schedule_all(self.id, range(101, 113))
        self.executions = [each.id for each in self._store.executions(self.id)]
        rows = [
            self._row(number, status, "" if status == "1" else "assert 1 == 2")
            for number, status in enumerate(STATUS_IDS * 2)
            if status is not None
        ]
        self._api.execute(*rows).raise_for_status()
        self.execute(1, "2", f"first line\n{'y' * 300}\n<script>hit=1</script>")
        self._store.add_defect(self.executions[1], "BUG-7")
        self._api.put(
            f"/execution/statusandattachment/{self.executions[1]}",
            params={"status": "2", "testerid": self._store.user.id},
            files={"file": (f"{'z' * 90}.png", ONE_PIXEL_PNG, "image/png")},
        )

    def _row(self, number: int, status: str, notes: str) -> dict[str, Any]:
        return {
            "rtsId": self.executions[number],
            "testerId": self._store.user.id,
            "status": status,
            "notes": notes,
            "actualTime": 1532,
        }

    def execute(self, number: int, status: str, notes: str = "") -> None:
        self._api.execute(self._row(number, status, notes)).raise_for_status()

    def save_step_result(self, number: int, status: str) -> None:
        result = {
            "cyclePhaseId": self.id,
            "releaseTestScheduleId": self.executions[number],
            "testStepId": 1,
            "status": status,
        }
        self._api.post(
            "/execution/teststepresult/saveorupdate", json=[result]
        ).raise_for_status()

    def schedule(self, case: int) -> None:
        self._store.schedule_all(self.id, [case])


@pytest.fixture
def phase(sandbox: Sandbox, api: Api, target: SandboxTarget) -> PhaseWithResults:
    return PhaseWithResults(sandbox, api, target)


def row_of(tab: Page, case: int) -> Any:
    return tab.locator(".row").filter(has=tab.get_by_text(str(case), exact=True))


def visible_rows(tab: Page) -> Any:
    return tab.locator(".row:visible")


BOXES_SCRIPT = """
(selector) => [...document.querySelectorAll(selector)].map((element) => {
  const box = element.getBoundingClientRect();
  return [box.left, box.right];
})
"""


def test_pages_fit_wide_and_narrow_windows(tab: Page, phase: PhaseWithResults) -> None:
    """No page scrolls sideways; status and name of every result are inside the window."""
    pages = (
        "/",
        f"/phase/{phase.id}",
        f"/execution/{phase.executions[1]}",
        "/sandbox/",
    )
    for path in pages:
        tab.goto(path)
        if path.startswith("/phase"):
            row_of(tab, 102).locator("summary").click()
            expect(tab.locator(".notes")).to_be_visible()
        for width in (1200, 800, 390):
            tab.set_viewport_size({"width": width, "height": 900})

            assert tab.evaluate("document.documentElement.scrollWidth") == width, path
            seen = tab.evaluate(BOXES_SCRIPT, ".row > summary > :is(.status, .name)")
            assert len(seen) == (24 if path.startswith("/phase") else 0)
            assert all(0 <= left < right <= width for left, right in seen)


def test_results_are_filtered(tab: Page, phase: PhaseWithResults) -> None:
    """Text and one or more statuses filter them; the address keeps the filter."""
    tab.goto(f"/phase/{phase.id}")
    text = tab.get_by_label("Filter by name, id or text")

    tab.keyboard.press("/")
    expect(text).to_be_focused()
    tab.keyboard.type("PASSWORD wrong")
    expect(visible_rows(tab)).to_have_count(3)
    expect(tab.locator("#shown")).to_have_text("3 of 12 shown")
    tab.keyboard.press("Escape")
    tab.get_by_role("button", name="Fail 2").click()
    expect(visible_rows(tab)).to_have_count(2)
    tab.get_by_role("button", name="Not executed 2").click()
    expect(visible_rows(tab)).to_have_count(4)
    text.fill("no such text")
    expect(tab.get_by_text("No result matches the filter.")).to_be_visible()
    text.fill("first line")
    tab.reload()
    expect(visible_rows(tab)).to_have_count(1)
    expect(tab.get_by_role("button", name="Fail 2")).to_have_attribute(
        "aria-pressed", "true"
    )


def test_a_result_opens_by_keyboard(tab: Page, phase: PhaseWithResults) -> None:
    """It shows notes, steps, defects, history and images; HTML in them is shown as text."""
    tab.goto(f"/phase/{phase.id}")
    line = row_of(tab, 102)
    line.locator("summary").focus()
    tab.keyboard.press("Enter")

    expect(line.locator(".notes")).to_contain_text("<script>hit=1</script>")
    expect(line.locator(".steps")).to_contain_text("Open <b>it</b>")
    expect(line.locator(".history li")).to_have_count(3)
    expect(line.locator(".facts")).to_contain_text("BUG-7")
    image = line.locator(".files img")
    expect(image).to_be_visible()
    image.scroll_into_view_if_needed()
    tab.wait_for_function("document.querySelector('.files img').naturalWidth > 0")
    with tab.expect_download() as download:
        line.get_by_role("link", name=re.compile(r"^z+\.png$")).last.click()
    assert download.value.path().read_bytes() == ONE_PIXEL_PNG
    assert tab.evaluate("typeof hit") == "undefined"


def test_a_phase_updates_while_a_run_reports(
    tab: Page, phase: PhaseWithResults
) -> None:
    """Results, counts and open details change; the filter and the focus stay."""
    tab.goto(f"/phase/{phase.id}")
    line = row_of(tab, 102)
    line.locator("summary").click()
    expect(line.locator(".notes")).to_contain_text("first line")
    tab.get_by_role("button", name="WIP 2").click()
    tab.get_by_role("button", name="Pass 2").click()
    tab.get_by_role("button", name="Fail 2").click()
    line.locator("summary").focus()

    phase.execute(1, "1", "now it works")
    phase.schedule(113)
    phase.execute(0, "3")

    expect(line.locator("summary .status")).to_have_text("Pass")
    expect(line.locator(".notes")).to_have_text("now it works")
    phase.save_step_result(1, "4")
    expect(line.locator(".steps .status").first).to_have_text("Blocked")
    expect(line.locator("summary")).to_be_focused()
    expect(tab.get_by_role("button", name="WIP 3")).to_have_attribute(
        "aria-pressed", "true"
    )
    expect(tab.locator(".row")).to_have_count(13)
    expect(row_of(tab, 113)).to_be_hidden()
    expect(visible_rows(tab)).to_have_count(6)
    expect(
        tab.get_by_role("img", name=re.compile("^2 Pass, 1 Fail, 3 WIP"))
    ).to_be_visible()


def test_the_first_results_of_a_phase_appear(
    tab: Page, sandbox: Sandbox, target: SandboxTarget
) -> None:
    """An empty phase says that it is empty, until it no longer is."""
    tab.goto(f"/phase/{target.phase}")
    expect(tab.get_by_text("Nothing is scheduled")).to_be_visible()
    sandbox.store.schedule_all(target.phase, [7])
    expect(row_of(tab, 7)).to_be_visible()
    expect(tab.get_by_role("button", name="Not executed 1")).to_be_visible()
    expect(tab.get_by_text("Nothing is scheduled")).to_be_hidden()


def test_the_overview_updates_unless_a_form_is_open(
    tab: Page, phase: PhaseWithResults, sandbox: Sandbox
) -> None:
    """An update does not overwrite what a user is typing into a form."""
    tab.goto("/")
    bar = tab.get_by_role("img", name=re.compile("^2 Pass"))
    expect(bar).to_be_visible()
    phase.execute(1, "1")
    expect(tab.get_by_role("img", name=re.compile("^3 Pass"))).to_be_visible()

    tab.get_by_text("Add a project").click()
    form = tab.locator("form[action='/projects']")
    form.get_by_label("Name").fill("Bank <b>")
    phase.execute(2, "1")
    with tab.expect_response(lambda response: response.status == 200):
        pass
    expect(form.get_by_label("Name")).to_have_value("Bank <b>")
    form.get_by_role("button").click()

    expect(tab.get_by_role("heading", name="Bank <b>")).to_be_visible()
    section = tab.locator("section.project").filter(has_text="Bank")
    section.get_by_text("Add a release").click()
    section.get_by_label("Name").fill("2.0")
    section.get_by_role("button").click()
    expect(tab.get_by_role("heading", name=re.compile("^2.0 release"))).to_be_visible()
    assert [each.name for each in sandbox.store.projects()] == ["Shop", "Bank <b>"]


CONTRAST_SCRIPT = """
() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const light = (color) => {
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [red, green, blue] = [...canvas.getImageData(0, 0, 1, 1).data].map((each) => {
      const part = each / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const behind = (element) => {
    const color = getComputedStyle(element).backgroundColor;
    return color === "rgba(0, 0, 0, 0)" ? behind(element.parentElement) : color;
  };
  const texts = [...document.querySelectorAll("main *")].filter(
    (element) =>
      [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()) &&
      element.checkVisibility({ visibilityProperty: true }) && !element.closest("svg"),
  );
  return texts.map((element) => {
    const [one, two] = [light(getComputedStyle(element).color), light(behind(element))];
    return [(Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05), element.outerHTML];
  });
}
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_are_readable_in_light_and_dark(
    tab: Page, phase: PhaseWithResults, scheme: Any
) -> None:
    """Every text has a contrast of at least 4.5 to 1; the dark scheme is dark."""
    tab.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    for path in ("/", f"/phase/{phase.id}", "/sandbox/"):
        tab.goto(path)
        if path.startswith("/phase"):
            row_of(tab, 102).locator("summary").click()
            expect(tab.locator(".notes")).to_be_visible()
        contrasts = tab.evaluate(CONTRAST_SCRIPT)

        assert len(contrasts) > 10
        assert [html for contrast, html in contrasts if contrast < 4.5] == []
    back = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    red = int(re.findall(r"\d+", back)[0])
    assert (red < 60) == (scheme == "dark")


def test_a_page_can_be_used_by_keyboard(tab: Page, phase: PhaseWithResults) -> None:
    """The Tab key first reaches a link to the content; what has the focus is outlined."""
    tab.goto(f"/phase/{phase.id}")
    stops = []
    for _ in range(16):
        tab.keyboard.press("Tab")
        stops.append(
            tab.evaluate(
                "[document.activeElement.textContent.trim(),"
                " getComputedStyle(document.activeElement).outlineStyle]"
            )
        )

    assert stops[0][0] == "Skip to the content"
    assert any(text.startswith("Pass 101") for text, _ in stops)
    assert {style for _, style in stops} <= {"solid", "auto"}


def test_the_form_of_a_fault_shows_the_fields_that_the_fault_uses(tab: Page) -> None:
    """The list of active faults then describes the added fault."""
    tab.goto("/sandbox/")
    expect(tab.get_by_label("Status code")).to_be_visible()
    tab.get_by_label("What goes wrong").select_option("latency")
    expect(tab.get_by_label("Status code")).to_be_hidden()
    tab.get_by_label("Seconds").fill("2")
    tab.get_by_role("button", name="Add fault").click()

    active = tab.locator("section").filter(has_text="Active faults")
    expect(active).to_contain_text("Answers correctly, but late by the given seconds")
    tab.get_by_role("button", name="Remove all faults").click()
    expect(active).to_contain_text("every request gets the right answer")


def test_missing_page_links_to_the_projects(browser: Browser, sandbox: Sandbox) -> None:
    """The page about a missing phase also fits a narrow window."""
    with browser.new_context(base_url=sandbox.url) as context:
        tab = context.new_page()
        tab.set_viewport_size({"width": 390, "height": 800})
        tab.goto("/phase/77")
        assert tab.evaluate("document.documentElement.scrollWidth") == 390
        tab.get_by_role("link", name="All projects").click()
        expect(tab.get_by_role("heading", name="Projects")).to_be_visible()
