"""The zephyr fixture: what a test says stands on its execution, however it ended."""

from __future__ import annotations

import pytest

from tests.conftest import needs_xdist


PNG = b"\x89PNG\r\n\x1a\n picture"


@pytest.mark.parametrize(
    "args",
    [[], pytest.param(["-n2"], marks=needs_xdist), ["-p", "no:logging", "-s"]],
    ids=["one process", "workers", "no capture"],
)
def test_all_that_a_test_says_stands_on_its_execution(
    pytester, run_zephyr, world, args
):
    """Said by the test, a fixture, its finalizer and a helper; files are copied."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        def page(zephyr, tmp_path):
            path = tmp_path / "before.html"
            path.write_text("<p>")
            zephyr.attach(path)
            path.unlink()
            yield
            zephyr.comment("from a finalizer")
            zephyr.attach(b"x", name="x")

        def helper(zephyr):
            zephyr.defect("BUG-7")
            zephyr.field("browser", "firefox")

        @pytest.mark.zephyr(101)
        def test_passes(zephyr, page):
            helper(zephyr)
            zephyr.comment("all is <well>")
            zephyr.attach_text("a=1", name="state.json")

        @pytest.mark.zephyr(102, defects=["BUG-8", "BUG-7"], comment="flaky", fields={"n": 3})
        def test_fails(zephyr):
            zephyr.attach(PICTURE)
            zephyr.defect("BUG-8")
            assert 1 == 2

        PICTURE = b"\\x89PNG\\r\\n\\x1a\\n picture"
        """
    )
    ran = run_zephyr("--zephyr-comment=never", *args, same_exit=False)

    assert "evidence: 4 attachments sent" in ran.text
    passed, failed = world.execution(101), world.execution(102)
    assert passed.comment.splitlines()[1:] == [
        "defects: BUG-7",
        "comment: all is &lt;well&gt;",
        "comment: from a finalizer",
        "browser: firefox",
    ]
    assert set(passed.attachments) == {
        ("before.html", "text/html", 3),
        ("state.json", "application/json", 3),
        ("x", "application/octet-stream", 1),
    }
    assert failed.comment.splitlines()[1:] == [
        "defects: BUG-8, BUG-7",
        "comment: flaky",
        "n: 3",
    ]
    assert failed.attachments == (("attachment.png", "image/png", len(PNG)),)
    store = world.sandbox.store
    assert store.attachment_bytes(world.phase, 102, "attachment.png") == [PNG]
