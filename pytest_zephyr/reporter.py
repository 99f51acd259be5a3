"""The plugin object of the controller: gathers records, ends the session, says how it went."""

from __future__ import annotations

from collections.abc import Generator
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
import sys

import pytest

from pytest_zephyr import journal as disk
from pytest_zephyr import options
from pytest_zephyr import pytest_options
from pytest_zephyr import summary
from pytest_zephyr.clock import now_ms
from pytest_zephyr.delivery import Delivery
from pytest_zephyr.embedded import DATABASE
from pytest_zephyr.embedded import how_to_look
from pytest_zephyr.embedded import require_sandbox
from pytest_zephyr.embedded import served
from pytest_zephyr.errors import SettingsError
from pytest_zephyr.errors import ZephyrError
from pytest_zephyr.journal import Header
from pytest_zephyr.journal import Journal
from pytest_zephyr.journal import JournalWriter
from pytest_zephyr.marks import item_of
from pytest_zephyr.marks import Marks
from pytest_zephyr.marks import Stamper
from pytest_zephyr.outcome import CaseRef
from pytest_zephyr.outcome import NodeResult
from pytest_zephyr.records import to_record
from pytest_zephyr.runs import Run
from pytest_zephyr.settings import SANDBOX
from pytest_zephyr.settings import Settings


#: Exit code for results that were not delivered, with ``zephyr_on_error = fail``.
UNDELIVERED = 8

WORKERINPUT = "zephyr_journal"


def register(config: pytest.Config) -> None:
    """Build and register the objects that report this run. Raises UsageError.

    Workers of pytest-xdist read markers, no more; the controller does the rest.
    """
    given = pytest_options.given(config)
    marks = Marks(options.value("id_prefix", given), options.value("inherit", given))
    config.pluginmanager.register(Stamper(marks), "zephyr-stamper")
    workerinput = getattr(config, "workerinput", None)
    if workerinput is not None:
        if WORKERINPUT in workerinput:
            writer = _worker_journal(workerinput)
            config.pluginmanager.register(ItemLines(writer, marks), "zephyr-items")
        return
    settings = pytest_options.load(config)
    try:
        if settings.push == "end":
            settings.require_server()
        if settings.url == SANDBOX:
            require_sandbox()
    except SettingsError as error:
        raise pytest_options.usage_error(error) from error
    reporter = ZephyrReporter(settings, config.rootpath)
    config.pluginmanager.register(reporter, "zephyr-reporter")
    config.pluginmanager.register(ItemLines(reporter.writer, marks), "zephyr-items")


def _worker_journal(workerinput: Mapping[str, str]) -> JournalWriter:
    main = Path(workerinput[WORKERINPUT])
    worker = workerinput["workerid"]
    path = main.with_name(f"{main.stem}.{worker}{disk.SUFFIX}")
    return JournalWriter.create(path, Header(run=main.stem, worker=worker))


class ItemLines:
    """Writes which test cases each selected item proves, where it was collected."""

    def __init__(self, writer: JournalWriter, marks: Marks) -> None:
        self._writer = writer
        self._marks = marks

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._writer.append_all(
            disk.item_line(item_of(item, self._marks)) for item in session.items
        )

    def pytest_unconfigure(self) -> None:
        self._writer.close()


class ZephyrReporter:
    """Gathers on the controller, or in the only process."""

    def __init__(self, settings: Settings, root: Path) -> None:
        self._root = str(root)
        self._settings = settings
        self._run = disk.new_run()
        path = settings.journal / f"{self._run}{disk.SUFFIX}"
        header = Header(
            run=self._run,
            key=settings.run_key or "",
            started=now_ms(),
            options=options.journaled(settings),
        )
        self.writer = JournalWriter.create(path, header)
        self._lines = [f"zephyr: {warning}" for warning in settings.warnings]
        self._failed = False

    # While the tests run

    def pytest_report_header(self) -> str:
        return f"zephyr: {self._where()}"

    def _where(self) -> str:
        settings = self._settings
        if settings.push == "never":
            return f"journal only, {_shown(self.writer.path)}"
        names = (settings.project, settings.release, settings.cycle, settings.phase)
        path = " > ".join(ref.name or f"id {ref.id}" for ref in names if ref)
        if settings.url == SANDBOX:
            database = _shown(settings.journal / DATABASE)
            return f"embedded sandbox ({database})" + (f", {path}" if path else "")
        return f"{settings.url} as {settings.credential}, {path}"

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: object) -> None:
        """Tell a worker where its items belong; plain text crosses to it."""
        node.workerinput[WORKERINPUT] = str(self.writer.path)  # type: ignore[attr-defined]

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.writer.append(disk.start_line(nodeid))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.writer.append(disk.report_line(to_record(report, self._root)))

    # When they are done

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(
        self, session: pytest.Session
    ) -> Generator[None, object, object]:
        try:
            return (yield)
        finally:
            # pytest does not guard this hook: whatever leaves it takes the terminal
            # summary along, so nothing may.
            try:
                self._finish()
            except ZephyrError as error:
                self._fail(f"zephyr: {error}")
            except KeyboardInterrupt:
                self._fail("zephyr: interrupted while sending.")
            except Exception as error:  # noqa: BLE001 - see above
                self._fail(f"zephyr: internal error, please report it: {error!r}")
            if (
                self._failed
                and self._settings.on_error == "fail"
                and not session.exitstatus
            ):
                session.exitstatus = UNDELIVERED

    def _finish(self) -> None:
        self.writer.append(disk.end_line())
        run = Run((Journal(self.writer.path, self.writer.kept),))
        nodes = run.nodes()
        if self.writer.broken is not None:
            self._lines.append(
                f"zephyr: {_shown(self.writer.path)} could not be written"
                f" ({self.writer.broken.strerror or self.writer.broken}); what could not"
                f" be sent is lost when this process ends."
            )
        if self._settings.push == "never":
            self._lines.append(f"results kept in {_shown(self.writer.path)}")
            self._lines.append(summary.send_later(_shown(self.writer.path)))
            return
        self._push(run, nodes)

    def _push(self, run: Run, nodes: Sequence[NodeResult]) -> None:
        # Late: workers import this module, and only a push needs an HTTP library.
        from pytest_zephyr.push import connect
        from pytest_zephyr.push import push

        with (
            served(self._settings, _cases(nodes)) as settings,
            connect(settings) as client,
        ):
            delivery = push(nodes, client, settings, run.memory([self.writer]))
        if delivery.complete:
            run.note_delivered([self.writer])
        else:
            self._failed = True
        self._lines.append(summary.numbers(delivery))
        self._lines += summary.problems(delivery, _shown(self.writer.path))
        self._lines += self._look(settings, delivery)

    def _look(self, settings: Settings, delivery: Delivery) -> list[str]:
        if delivery.target is None or settings.url is None:
            return []
        if self._settings.url == SANDBOX:
            database = _shown(self._settings.journal / DATABASE)
            where = how_to_look(database, delivery.target.phase)
        else:
            where = summary.link(settings.url, delivery.target)
        return [f"look at phase {delivery.target.path}: {where}"]

    def _fail(self, line: str) -> None:
        self._failed = True
        self._lines.append(line)
        self._lines.append(f"zephyr: results kept in {_shown(self.writer.path)}")
        self._lines.append(summary.send_later(_shown(self.writer.path)))

    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter
    ) -> None:
        lines, self._lines = self._lines, []
        if terminalreporter.verbosity < 0:
            # Quiet keeps the problems.
            lines = [line for line in lines if line.startswith(("zephyr: ", "  "))]
        if lines:
            terminalreporter.section("zephyr")
        for line in lines:
            terminalreporter.line(line)

    def pytest_unconfigure(self) -> None:
        self.writer.close()
        # Without pytest's terminal nobody has printed them yet.
        for line in self._lines:
            sys.stderr.write(f"{line}\n")


def _cases(nodes: Iterable[NodeResult]) -> list[CaseRef]:
    return list(dict.fromkeys(case for node in nodes for case in node.cases))


def _shown(path: Path) -> Path:
    """Return *path* as people write it: from the working directory, if it is below."""
    try:
        return path.relative_to(Path.cwd())
    except ValueError:
        return path
