"""The zephyr fixture: comments, files, steps, defects and fields of a test reach Zephyr."""

from __future__ import annotations

import pytest

from tests.conftest import needs_xdist
from tests.conftest import without_and_with_xdist
from tests.conftest import without_tag


PNG = b"\x89PNG\r\n\x1a\n picture"


@pytest.mark.parametrize(
    "args",
    [[], pytest.param(["-n2"], marks=needs_xdist), ["-p", "no:logging", "-s"]],
    ids=["one process", "xdist", "no capture"],
)
def test_evidence_of_a_test_reaches_its_execution(pytester, run_zephyr, target, args):
    """The test, a fixture, a finalizer, a helper or a marker may record it.

    A file may be removed once it is attached.
    """
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
    ran = run_zephyr("--zephyr-comment=never", *args, check_exit_code=False)

    assert "4 attachments uploaded" in ran.text
    passed, failed = target.execution(101), target.execution(102)
    assert without_tag(passed.comment).splitlines()[1:] == [
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
    assert without_tag(failed.comment).splitlines()[1:] == [
        "defects: BUG-8, BUG-7",
        "comment: flaky",
        "n: 3",
    ]
    assert failed.attachments == (("attachment.png", "image/png", len(PNG)),)
    store = target.sandbox.store
    assert store.attachment_bytes(target.phase, 102, "attachment.png") == [PNG]


#: Calls with unusual values or missing files; none of them may fail the test.
UNUSUAL = """
    import decimal
    import pytest

    class Silent:
        def __str__(self): raise RuntimeError("not telling")
        __repr__ = __fspath__ = __str__

    CALLS = [
        lambda z: z.comment(""),
        lambda z: z.comment(5),
        lambda z: z.comment(Silent()),
        lambda z: z.attach(Silent()),
        lambda z: z.field("n", 10**5000),
        lambda z: z.step(10**5000).__enter__(),
        lambda z: z.attach("missing.png"),
        lambda z: z.attach("late.txt", name="late.png"),
        lambda z: z.attach("x" * 5000),
        lambda z: z.attach("nul\\0"),
        lambda z: z.attach(""),
        lambda z: z.attach(7),
        lambda z: z.attach(b"one", name=1),
        lambda z: z.attach(b"two", name="a\\nb.txt", type="a/b\\nc"),
        lambda z: z.attach_text(b"three"),
        lambda z: z.attach_text("", name=""),
        lambda z: z.defect(7),
        lambda z: z.defect("a\\nb"),
        lambda z: z.field("b", None),
        lambda z: z.field("price", decimal.Decimal("1.5")),
        lambda z: z.field("list", [1, "a"]),
        lambda z: z.field("", 1),
        lambda z: z.field("empty", " "),
        lambda z: z.field("silent", Silent()),
        lambda z: z.field(7, True),
        lambda z: z.step("x")(5),
        lambda z: z.step(0).__enter__(),
        lambda z: z.step(Silent()).__enter__(),
    ]

    @pytest.mark.zephyr(101)
    def test_unusual(zephyr):
        for call in CALLS:
            call(zephyr)
"""


def test_no_value_fails_the_test_and_what_cannot_be_used_is_named(
    pytester, run_zephyr, target
):
    """No call warns either. What cannot be used counts as undelivered: exit code 8.

    Empty comments, texts and fields are ignored.
    """
    pytester.makepyfile(UNUSUAL)
    ran = run_zephyr("-W", "error", "--zephyr-on-error=fail", check_exit_code=False)

    ran.result.assert_outcomes(passed=1)
    assert ran.result.ret == 8
    ran.result.stdout.fnmatch_lines(
        [
            "3 attachments uploaded, 12 items left out",
            "zephyr: attach is left out (*): zephyr.attach: RuntimeError",
            "zephyr: attachment is left out (*): expected a path or bytes, got 7",
            "zephyr: attachment is left out (*test_unusual): there is no file ''",
            "zephyr: comment is left out (*): zephyr.comment: RuntimeError",
            "zephyr: field is left out (*): zephyr.field: RuntimeError",
            "zephyr: field is left out (*): zephyr.field: ValueError",
            "zephyr: late.png is left out (*test_unusual): there is no file 'late.txt'",
            "zephyr: missing.png is left out (*): there is no file 'missing.png'",
            "zephyr: nul_ is left out (*test_unusual): there is no file 'nul*",
            "zephyr: step is left out (*): zephyr.step: RuntimeError",
            "zephyr: step is left out (*): zephyr.step: ValueError",
            "zephyr: xxx* is left out (*test_unusual): there is no file 'xxx*",
        ]
    )
    execution = target.execution(101)
    assert {name for name, _, _ in execution.attachments} == {
        "1",
        "a b.txt",
        "text.txt",
    }
    for line in (
        "defects: 7, a b",
        "comment: 5",
        "b: None",
        "price: 1.5",
        "list: [1, 'a']",
        "7: True",
    ):
        assert line in execution.comment.splitlines()
    assert "empty" not in execution.comment


def test_fixture_does_nothing_while_reporting_is_off(pytester, run_pytest):
    pytester.makepyfile(UNUSUAL)
    ran = run_pytest("-W", "error")

    ran.result.assert_outcomes(passed=1)
    assert not (pytester.path / ".zephyr").exists()


def test_fixture_is_listed_with_an_example(run_pytest):
    ran = run_pytest("--fixtures")

    assert 'as ``zephyr.attach("page.png")``' in ran.text


@pytest.mark.parametrize("args", without_and_with_xdist(1))
def test_last_attempt_counts_with_its_own_evidence(pytester, run_zephyr, target, args):
    """Comments, files and output of the first attempt are not sent."""
    pytest.importorskip("pytest_rerunfailures")
    pytester.makepyfile(
        """
        import pathlib
        import pytest

        @pytest.mark.flaky(reruns=1)
        @pytest.mark.zephyr(101)
        def test_flaky(zephyr, request):
            path = pathlib.Path(request.config.rootpath, "seen")
            second = path.exists()
            path.touch()
            print("attempt", 1 + second)
            zephyr.comment(f"second: {second}")
            zephyr.attach_text(str(second), name=f"{second}.txt")
            assert second
        """
    )
    run_zephyr(
        "-p", "rerunfailures", "--zephyr-capture=all", *args, check_exit_code=False
    )

    execution = target.execution(101)
    assert execution.status == "1"
    assert "after 2 attempts" in execution.comment
    assert "comment: second: True" in execution.comment
    assert "comment: second: False" not in execution.comment
    assert {name for name, _, _ in execution.attachments} == {"True.txt", "output.txt"}
    (output,) = target.sandbox.store.attachment_bytes(target.phase, 101, "output.txt")
    assert b"attempt 2" in output
    assert b"attempt 1" not in output


@needs_xdist
def test_evidence_of_a_crashed_worker_is_sent(pytester, run_zephyr, target):
    """Evidence from before the crash is sent; the step that was running has failed."""
    target.sandbox.store.add_case(target.release, testcase_id=7, steps=["Open", "Die"])
    target.sandbox.store.schedule(target.phase, 7)
    pytester.makepyfile(
        """
        import os
        import pytest

        @pytest.mark.zephyr(7)
        def test_dies(zephyr):
            zephyr.attach_text("last words")
            with zephyr.step("open"):
                pass
            with zephyr.step("die"):
                os._exit(1)
        """
    )
    run_zephyr("-n1", check_exit_code=False, subprocess=True)

    execution = target.execution(7)
    assert execution.status == "2"
    assert execution.attachments == (("text.txt", "text/plain", 10),)
    assert execution.steps == {
        1: ("1", None),
        2: ("2", "the process died in this step"),
    }


def test_steps_are_reported_on_the_steps_of_the_test_case(pytester, run_zephyr, target):
    """A number or a text names the step, and the worst result of all tests counts.

    Notes list the steps that the test case does not have. The steps of each test case are
    read once, and all results of steps are written with one request.
    """
    store = target.sandbox.store
    steps = ["Open the <b>page</b>", "Log in", "Pay", "Log out"]
    store.add_case(target.release, testcase_id=7, steps=steps)
    store.schedule(target.phase, 7)
    pytester.makepyfile(
        """
        import asyncio
        import pytest

        @pytest.mark.zephyr(7)
        @pytest.mark.parametrize("card", ["visa", "amex"])
        def test_shop(zephyr, card):
            with zephyr.step(" open  the PAGE"):
                with zephyr.step("Wait for it"):
                    pass

            @zephyr.step("log in")
            async def log_in():
                return 1

            assert asyncio.run(log_in()) == 1
            with zephyr.step(3):
                assert card == "visa", "card refused"

        @pytest.mark.zephyr(101)
        def test_without_steps_in_zephyr(zephyr):
            @zephyr.step("Yield")
            def values():
                yield 1

            assert list(values()) == [1]
            with pytest.raises(RuntimeError), zephyr.step("Break"):
                raise RuntimeError("no <way>")
        """
    )
    ran = run_zephyr()

    execution = target.execution(7)
    assert {number: status for number, (status, _) in execution.steps.items()} == {
        1: "1", 2: "1", 3: "2"
    }  # fmt: skip
    assert "card refused" in execution.steps[3][1]
    assert "steps:\n    passed Wait for it" in execution.comment
    assert "Log in" not in execution.comment
    assert target.execution(101).comment.splitlines()[1:] == [
        "steps:",
        "  passed Yield",
        "  failed Break - RuntimeError: no &lt;way&gt;",
    ]
    assert "3 step results reported" in ran.text
    paths = [each.path for each in target.sandbox.requests]
    assert sum("/teststep" in path for path in paths) == 3


@pytest.mark.parametrize(
    ("choice", "attached"),
    [("none", set()), ("failed", {102}), ("all", {101, 102})],
    ids=["none", "failed", "all"],
)
def test_captured_output_is_one_attachment(
    pytester, run_zephyr, target, choice, attached
):
    """``--zephyr-capture`` says which tests have it; setup and teardown are in it, too."""
    pytester.makepyfile(
        """
        import logging
        import sys
        import pytest

        @pytest.fixture
        def chatty():
            print("setting up")
            yield
            print("tearing down")

        @pytest.mark.zephyr(101)
        def test_passes(chatty):
            print("to stdout")

        @pytest.mark.zephyr(102)
        def test_fails(chatty):
            print("to stderr", file=sys.stderr)
            logging.getLogger().warning("to the log")
            assert False
        """
    )
    run_zephyr(f"--zephyr-capture={choice}")

    assert {
        case for case in (101, 102) if target.execution(case).attachments
    } == attached
    assert all(len(target.execution(case).attachments) == 1 for case in attached)
    if 102 in attached:
        store = target.sandbox.store
        (text,) = store.attachment_bytes(target.phase, 102, "output.txt")
        for each in ("setting up", "to stderr", "to the log", "tearing down"):
            assert each in text.decode()


def test_attachment_that_is_too_large_is_left_out_and_named(
    pytester, run_zephyr, target
):
    """There is a limit for a file, and one for all files of the run.

    Content that was attached before does not count for the second limit again.
    """
    pytester.makeini("[pytest]\nzephyr_attach_max_total = 3K")
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zephyr(101)
        def test_a(zephyr, tmp_path):
            zephyr.attach(b"x" * 2048, name="fits.bin")
            (tmp_path / "film.webm").write_bytes(b"y" * 3000)
            zephyr.attach(tmp_path / "film.webm")
            zephyr.attach(b"z" * 2048, name="one too many")
            zephyr.attach(b"x" * 2048, name="again.bin")
        """
    )
    ran = run_zephyr("--zephyr-attach-max-size=2K")

    execution = target.execution(101)
    assert [name for name, _, _ in execution.attachments] == ["fits.bin", "again.bin"]
    assert "left out: film.webm (2.9K), larger than zephyr_attach_max_size, 2K" in (
        execution.comment
    )
    ran.result.stdout.fnmatch_lines(
        [
            "2 attachments uploaded, 2 items left out",
            "zephyr: film.webm is left out (*test_a): 2.9K, larger than *",
            "zephyr: one too many is left out (*test_a): 2K, all attachments *",
        ]
    )


def test_file_that_many_tests_attach_is_stored_once(pytester, run_zephyr, target):
    """It is uploaded once, and attached to all executions."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("n", range(6))
        @pytest.mark.zephyr(by_id={str(n): 101 + n for n in range(6)})
        def test_a(zephyr, n):
            for _ in range(20):
                zephyr.attach(b"the same", name="log.txt")
        """
    )
    run_zephyr()

    attached = [target.execution(case).attachments for case in range(101, 107)]
    assert attached == [(("log.txt", "text/plain", 8),)] * 6
    assert len(list((pytester.path / ".zephyr" / "files").iterdir())) == 1
    uploads = [each for each in target.writes if "upload" in each]
    assert len(uploads) == 1


def test_notes_name_job_and_commit_and_their_whole_text_is_attached(
    pytester, run_zephyr, target, monkeypatch
):
    """Only the failure text is cut, not the comments of the test."""
    monkeypatch.setenv("CI_JOB_URL", "https://ci.example/jobs/7")
    monkeypatch.setenv("CI_COMMIT_SHA", "c0ffee")
    pytester.makeini("[pytest]\nzephyr_notes_limit = 600")
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zephyr(101)
        def test_a(zephyr):
            zephyr.comment("said")
            rows = [f"row {n}" for n in range(300)]
            assert rows == [], "\\n".join(rows)
        """
    )
    run_zephyr()

    execution = target.execution(101)
    assert len(execution.comment) <= 600
    assert "comment: said\n" in execution.comment
    foot = "CI job: https://ci.example/jobs/7\ncommit: c0ffee"
    assert without_tag(execution.comment).endswith(foot)
    (whole,) = target.sandbox.store.attachment_bytes(target.phase, 101, "notes.txt")
    for n in range(300):
        assert f"row {n}\n".encode() in whole
    assert "row 150" not in execution.comment


@needs_xdist
def test_comments_are_sent_if_a_worker_cannot_write_its_journal(
    pytester, run_zephyr, target
):
    """The comments are in the reports of pytest-xdist; files are named as left out."""
    pytester.makeconftest(
        """
        import os

        def pytest_configure(config):
            if hasattr(config, "workerinput"):
                from pytest_zephyr.journal.writer import JournalWriter
                from pytest_zephyr.journal.file_store import FileStore

                def refuse(self, data):
                    self.broken = OSError(28, "No space left on device")
                    return False

                def refuse_file(self, parts):
                    raise OSError(28, "No space left on device")

                JournalWriter._write = refuse
                FileStore._write = refuse_file
        """
    )
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zephyr(101, defects=["BUG-1"])
        def test_a(zephyr):
            zephyr.comment("said")
            zephyr.attach(b"x", name="x.bin")
        """
    )
    ran = run_zephyr("-n1", subprocess=True)

    assert "comment: said" in target.execution(101).comment
    assert "defects: BUG-1" in target.execution(101).comment
    assert "x.bin is left out" in ran.text
