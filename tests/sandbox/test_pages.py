"""The web pages."""

from __future__ import annotations

import requests

from pytest_zephyr.sandbox import Sandbox
from tests.sandbox.conftest import Api
from tests.sandbox.conftest import Target


def page(url: str) -> str:
    answer = requests.get(url, timeout=30)
    answer.raise_for_status()
    assert answer.headers["Content-Type"].startswith("text/html")
    return answer.text


def test_overview_leads_to_the_phases(sandbox: Sandbox, target: Target) -> None:
    """Projects, releases, cycles and phases are listed, the hidden release is not."""
    text = page(sandbox.url)

    for name in ("Shop", "Release 1", "Cycle 1", "Phase 1"):
        assert name in text
    assert f'href="/phase/{target.phase}"' in text
    assert "Project Test Repository" not in text


def test_phase_shows_what_happened(
    sandbox: Sandbox, api: Api, target: Target, tester: int
) -> None:
    """Comments are escaped; counts, time, tester and files are there."""
    sandbox.store.adopt(target.phase, [343521], ["AUTH-1"])
    execution = sandbox.store.executions(target.phase)[0].id
    sandbox.store.add_defect(execution, "BUG-7")
    api.execute(
        {
            "rtsId": execution,
            "testerId": tester,
            "status": "2",
            "notes": "<script>alert(1)</script>\nsecond line",
            "actualTime": 1532,
            "executedOn": 1764633600000,
        }
    )
    api.put(
        f"/execution/statusandattachment/{execution}",
        params={"status": "2", "testerid": tester},
        files={"file": ("trace.html", b"<b>evil</b>", "text/html")},
    )

    text = page(sandbox.phase_url(target.phase))

    assert "<script>" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\nsecond line" in text
    assert "<b>1</b>Fail" in text
    assert "<b>1</b>Not executed" in text
    for part in ("343521", "AUTH-1", "BUG-7", "1.532 s", "Test Manager", "trace.html"):
        assert part in text
    link = text.partition('href="/file/')[2].partition('"')[0]
    file = requests.get(f"{sandbox.url}/file/{link}", timeout=30)
    assert file.content == b"<b>evil</b>"
    assert file.headers["Content-Disposition"].startswith("attachment")


def test_phase_shows_the_steps_with_their_texts(
    sandbox: Sandbox, api: Api, target: Target
) -> None:
    """What a client escaped reads as it was meant; steps without a result are not there."""
    sandbox.store.add_case(
        target.release, testcase_id=7, steps=["Open <b>it</b>", "Log in", "Pay"]
    )
    execution = sandbox.store.schedule(target.phase, 7)
    api.put(f"/execution/{execution}", json={"notes": "a &lt; b"})
    rows = [
        {
            "cyclePhaseId": target.phase,
            "releaseTestScheduleId": execution,
            "testStepId": step,
            "status": step,
            "comment": "x &amp; y",
        }
        for step in (1, 2)
    ]
    api.post("/execution/teststepresult/saveorupdate", json=rows)

    text = page(sandbox.phase_url(target.phase))

    assert ">a &lt; b<" in text
    assert "Open &lt;b&gt;it&lt;/b&gt;" in text
    assert "Log in" in text
    assert "Pay" not in text
    assert "x &amp; y" in text


def test_addresses_of_the_real_pages_lead_somewhere(
    sandbox: Sandbox, target: Target
) -> None:
    """A link to the real user interface ends at the matching page."""
    assert "Shop" in page(f"{sandbox.url}/flex/html5")
    assert "Shop" in page(f"{sandbox.url}/flex/html5/release/{target.release}")
    answer = requests.get(
        f"{sandbox.url}/flex/html5/release/{target.release}",
        allow_redirects=False,
        timeout=30,
    )
    assert answer.headers["Location"] == f"/#release-{target.release}"


def test_unknown_phase_has_no_page(sandbox: Sandbox) -> None:
    """A phase that is not there is a 404."""
    assert requests.get(sandbox.phase_url(1), timeout=30).status_code == 404


def test_pages_load_nothing_else(sandbox: Sandbox, target: Target) -> None:
    """No page needs a script or a file from elsewhere."""
    for url in (
        sandbox.url,
        sandbox.phase_url(target.phase),
        f"{sandbox.url}/sandbox/",
    ):
        text = page(url)
        assert "<script" not in text
        assert "http" not in text.replace("http-equiv", "")
