"""The HTML of the web pages; `test_browser.py` has the pages in a browser."""

from __future__ import annotations

import re

import pytest
import requests

from pytest_zephyr.sandbox import Sandbox
from pytest_zephyr.sandbox.details import image_type
from tests.conftest import SandboxTarget
from tests.sandbox.conftest import Api


PNG = b"\x89PNG\r\n\x1a\n" + b"rest"


def get_page(url: str, status: int = 200) -> str:
    answer = requests.get(url, timeout=30)
    assert answer.status_code == status
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    return answer.text


def visible_text(page: str) -> str:
    """Return the text of a page without its tags."""
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


def attach_file(api: Api, execution: int, tester: int, name: str, data: bytes) -> None:
    """Attach a file to an execution, which gets the status Pass."""
    api.put(
        f"/execution/statusandattachment/{execution}",
        params={"status": "1", "testerid": tester},
        files={"file": (name, data, "text/html")},
    ).raise_for_status()


def test_overview_leads_to_the_phases(
    sandbox: Sandbox, api: Api, target: SandboxTarget, tester: int
) -> None:
    """It has a bar and the counts of each phase, and leaves out the hidden release."""
    sandbox.store.schedule_all(target.phase, [1, 2, 3])
    first, second, _ = sandbox.store.executions(target.phase)
    api.execute(
        {"rtsId": first.id, "testerId": tester, "status": "2"},
        {"rtsId": second.id, "testerId": tester, "status": "10"},
    )

    text = get_page(sandbox.url)

    for name in ("Shop", "Release 1", "Cycle 1", "Phase 1"):
        assert name in text
    assert f'href="/phase/{target.phase}"' in text
    assert 'aria-label="1 Fail, 2 Not executed"' in text
    assert "Project Test Repository" not in text


def test_phase_shows_its_results(
    sandbox: Sandbox, api: Api, target: SandboxTarget, tester: int
) -> None:
    """A line has status, id, name, first line of the notes, time, defects and files.

    Test cases that are not assigned have no line, and are counted.
    """
    sandbox.store.set_statuses([("1", "Pass", True), ("7", "Odd <i>", True)])
    sandbox.store.schedule_all(target.phase, [343521, 343522], ["AUTH-1"])
    execution, other, _ = sandbox.store.executions(target.phase)
    sandbox.store.add_defect(execution.id, "BUG-7")
    notes = "<script>alert(1)</script>\nsecond line"
    row = {"rtsId": execution.id, "testerId": tester, "status": "7", "notes": notes}
    api.execute({**row, "actualTime": 1532, "executedOn": 1764633600000})
    attach_file(api, other.id, tester, "trace.html", b"x")
    api.execute({"rtsId": other.id, "testerId": tester, "status": "10"})
    sandbox.store.set_statuses([("1", "Pass", True)])
    sandbox.store.add_case(target.release, "Not assigned", testcase_id=343524)
    sandbox.store.add_to_phase(target.phase, 343524)

    text = get_page(sandbox.phase_url(target.phase))

    assert "<title>Phase 1 - Cycle 1 - Release 1 - Shop - Zephyr sandbox" in text
    assert "<script>" not in text
    assert 'data-status="10"' in text
    message = visible_text(text)
    assert "Status 7 343521 Test case 343521 &lt;script&gt;alert(1)" in message
    assert "second line" not in message
    for part in ("BUG-7", "1.53 s", "2025-12-02 00:00:00 UTC", "AUTH-1", "1 file"):
        assert part in message
    assert "1 more test case without a tester" in message
    assert "343524" not in message


def test_execution_shows_all_its_details(
    sandbox: Sandbox, api: Api, target: SandboxTarget, tester: int
) -> None:
    """Texts that a client escaped are shown unescaped; no text of a client is HTML."""
    sandbox.store.add_case(
        target.release, testcase_id=7, steps=["Open <b>it</b>", "Log in", "Pay"]
    )
    execution = sandbox.store.schedule(target.phase, 7)
    sandbox.store.add_defect(execution, "BUG-7", "Cart <i>is</i> empty")
    row = {"rtsId": execution, "testerId": tester, "status": "1", "actualTime": 75000}
    api.execute({**row, "notes": "first"}, {**row, "notes": "a &lt; b\nhttp://ci/1"})
    steps = [
        {
            "cyclePhaseId": target.phase,
            "releaseTestScheduleId": execution,
            "testStepId": step,
            "status": step,
            "comment": "x &amp; y",
        }
        for step in (1, 2)
    ]
    api.post("/execution/teststepresult/saveorupdate", json=steps)
    attach_file(api, execution, tester, "<s>.png", PNG)
    attach_file(api, execution, tester, "trace.html", b"<b>evil</b>")

    text = get_page(f"{sandbox.url}/execution/{execution}")

    message = visible_text(text)
    assert "1 Pass Open &lt;b&gt;it&lt;/b&gt; x &amp; y" in message
    assert "2 Fail Log in" in message
    assert "3 Not executed Pay" in message
    assert "a &lt; b" in message
    assert 'href="http://ci/1"' in text
    assert "BUG-7 Cart &lt;i&gt;is&lt;/i&gt; empty" in message
    assert "Test Manager" in message
    assert "1 min 15 s" in message
    assert "first" in message.partition("History")[2]
    assert text.count("<img src=") == 2  # the logo and one preview
    assert "&lt;s&gt;.png" in message
    assert "trace.html" in message


@pytest.mark.parametrize(
    ("start", "content_type"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0\0\r", "image/png"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01", "image/jpeg"),
        (b"GIF89a\x01\0\x01\0\x80\0", "image/gif"),
        (b"RIFF\x24\n\0\0WEBP", "image/webp"),
        (b"RIFF\x24\n\0\0WAVE", None),
        (b"<svg></svg>", None),
    ],
    ids=["png", "jpeg", "gif", "webp", "wav", "svg"],
)
def test_an_image_is_known_by_its_first_bytes(start, content_type):
    assert image_type(start) == content_type


def test_files_are_downloads_and_images_are_shown(
    sandbox: Sandbox, api: Api, target: SandboxTarget, tester: int
) -> None:
    """An attachment is sent as an image only if its content is one."""
    sandbox.store.schedule_all(target.phase, [1])
    (execution,) = sandbox.store.executions(target.phase)
    attach_file(api, execution.id, tester, "screen.png", PNG)
    attach_file(api, execution.id, tester, "fake.png", b"<svg onload=alert(1)>")
    text = get_page(f"{sandbox.url}/execution/{execution.id}")
    image, fake = re.findall(r'href="/file/(\w+)"', text)

    file = requests.get(f"{sandbox.url}/file/{fake}", timeout=30)
    shown = requests.get(f"{sandbox.url}/image/{image}", timeout=30)
    get_page(f"{sandbox.url}/image/{fake}", 404)

    assert file.content == b"<svg onload=alert(1)>"
    assert file.headers["Content-Disposition"].startswith("attachment")
    assert shown.content == PNG
    assert shown.headers["Content-Type"] == "image/png"
    assert shown.headers["X-Content-Type-Options"] == "nosniff"


def test_addresses_of_the_real_pages_redirect(
    sandbox: Sandbox, api: Api, target: SandboxTarget, tester: int
) -> None:
    """Links to a release and to the start page lead to the phase with the newest result."""
    release = f"{sandbox.url}/flex/html5/release/{target.release}"
    assert "Shop" in get_page(f"{sandbox.url}/flex/html5")
    empty = requests.get(release, allow_redirects=False, timeout=30)
    newest = sandbox.store.add_phase(target.cycle, "Phase 2")
    for phase in (newest, target.phase, newest):
        sandbox.store.schedule_all(phase, [1])
        (execution,) = sandbox.store.executions(phase)
        api.execute({"rtsId": execution.id, "testerId": tester, "status": "1"})

    assert empty.headers["Location"] == f"/#release-{target.release}"
    for url in (release, f"{sandbox.url}/flex/html5/"):
        assert f"<h1>Phase 2 <small>phase {newest}" in get_page(url)
    assert "<h1>Projects" in get_page(f"{sandbox.url}/flex/html5/login")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/phase/1", "There is no phase 1."),
        ("/execution/1", "There is no execution 1."),
        ("/file/x", "There is no such attachment."),
        ("/image/x", "There is no such attachment."),
        ("/flex/html5/release/7", "There is no release 7."),
        ("/nowhere", "There is no such page."),
    ],
)
def test_missing_page_says_what_was_not_found(
    sandbox: Sandbox, path: str, message: str
) -> None:
    """The page links to the projects."""
    text = get_page(sandbox.url + path, 404)

    assert message in text
    assert 'href="/">All projects' in text


def test_a_page_is_sent_again_only_if_something_was_written(
    sandbox: Sandbox, target: SandboxTarget
) -> None:
    """Without a write, the answer is 304, also after other pages were read."""
    url = sandbox.phase_url(target.phase)
    before = requests.get(url, timeout=30).headers["ETag"]

    def again() -> int:
        headers = {"If-None-Match": before}
        return requests.get(url, headers=headers, timeout=30).status_code

    assert again() == 304
    get_page(sandbox.url)
    assert again() == 304
    sandbox.store.schedule_all(target.phase, [1])
    assert again() == 200


def test_projects_and_releases_are_added_by_forms(sandbox: Sandbox) -> None:
    """The server has them, and the page that follows shows the project."""
    form = {"name": " Shop & Co ", "start": "2026-01-01", "end": "2026-12-31"}

    added = requests.post(f"{sandbox.url}/projects", data=form, timeout=30)
    (project,) = sandbox.store.projects()
    url = f"{sandbox.url}/project/{project.id}/releases"
    form = {"name": "2.0", "start": "2026-11-01", "end": ""}
    released = requests.post(url, data=form, timeout=30)

    assert added.ok
    assert "Shop &amp; Co" in released.text
    _, release = sandbox.store.releases(project.id)
    assert (project.name, release.name) == ("Shop & Co", "2.0")
    assert (str(project.end), str(release.start)) == ("2026-12-31", "2026-11-01")


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"name": " "}, "a name is needed"),
        ({"name": "x" * 256}, "longer than 255"),
        ({"name": "x", "start": "soon"}, "The first day is not a date: soon"),
        ({"name": "x", "start": "2026-02-01", "end": "2026-01-01"}, "before the first"),
    ],
    ids=["blank-name", "long-name", "start-is-not-a-date", "ends-before-it-starts"],
)
def test_a_wrong_form_adds_nothing(
    sandbox: Sandbox, form: dict[str, str], message: str
) -> None:
    """The page says what is wrong, and its form has the name that was typed."""
    answer = requests.post(f"{sandbox.url}/projects", data=form, timeout=30)

    assert answer.status_code == 400
    assert message in answer.text
    assert f'value="{form["name"]}"' in answer.text
    assert sandbox.store.projects() == []


@pytest.mark.parametrize("path", ["/projects", "/sandbox/faults"])
def test_forms_of_other_sites_are_refused(sandbox: Sandbox, path: str) -> None:
    """The answer is 403, and nothing is added."""
    headers = {"Sec-Fetch-Site": "cross-site"}
    form = {"name": "Evil", "kind": "status"}
    answer = requests.post(sandbox.url + path, data=form, headers=headers, timeout=30)

    assert answer.status_code == 403
    assert sandbox.store.projects() == []
    assert sandbox.faults.listed() == []


def test_pages_load_nothing_from_elsewhere(
    sandbox: Sandbox, target: SandboxTarget
) -> None:
    """All that they load is served by the sandbox."""
    for path in ("/", f"/phase/{target.phase}", "/sandbox/"):
        text = get_page(sandbox.url + path)
        loaded = re.findall(r'(?:src|href)="([^"]*)"', text)
        assert [link for link in loaded if not link.startswith(("/", "#"))] == []
        for link in loaded:
            if link.startswith("/static/"):
                assert requests.get(sandbox.url + link, timeout=30).ok
    assert requests.get(f"{sandbox.url}/favicon.ico", timeout=30).ok
