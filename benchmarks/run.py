"""Measure what reporting costs: `python benchmarks/run.py [NAME…]`.

The script needs Linux and the package with its extras `sandbox` and `junit`; `requests`
also measures pytest-xdist if it is installed. Each NAME is a function below; without a name all of them
run, which takes some minutes. Seconds are those of this machine; only ratios can be
compared with those of other machines.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
import importlib.util
import json
import os
from pathlib import Path
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from pytest_zephyr.sandbox import Fault
from pytest_zephyr.sandbox import Sandbox


#: A plugin that only keeps three values of each test: the lowest cost of a reporter.
FLOOR_PLUGIN = """
lines = []

def pytest_runtest_logreport(report):
    if report.when == "call":
        lines.append((report.nodeid, report.outcome, report.duration))
"""

#: The first line of journals that a benchmark writes itself.
JOURNAL_HEADER = {
    "kind": "header",
    "format": 1,
    "is_cut_short": 0,
    "session": "r",
    "started": 1,
}


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - it is a script


class Suites:
    """Test suites of different sizes, and runs of pytest in them."""

    def __init__(self, root: Path) -> None:
        self._root = root
        (root / "floor.py").write_text(FLOOR_PLUGIN, encoding="utf-8")

    def directory(self, tests: int) -> Path:
        """Return the directory of a suite with that many *tests*, each with a test case."""
        path = self._root / f"suite{tests}"
        if not path.exists():
            path.mkdir()
            lines = ["import pytest"]
            lines += [
                f"@pytest.mark.parametrize('n', [pytest.param(n,"
                f" marks=pytest.mark.zephyr(1000 + n)) for n in"
                f" range({start}, {min(start + 100, tests)})])\n"
                f"def test_{start}(n): pass\n"
                for start in range(0, tests, 100)
            ]
            (path / "test_all.py").write_text("\n".join(lines), encoding="utf-8")
            # Without the plugin pytest would warn of each marker.
            ini = "[pytest]\nmarkers = zephyr: a test case\n"
            (path / "pytest.ini").write_text(ini, encoding="utf-8")
        return path

    def run(self, tests: int, *args: str, **environ: str) -> tuple[float, float]:
        """Run that many *tests*; return CPU seconds of all processes, and elapsed seconds."""
        path = self.directory(tests)
        shutil.rmtree(path / ".zephyr", ignore_errors=True)
        before, began = _cpu(), time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *args],
            cwd=path,
            env={
                **os.environ,
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
                "PYTHONPATH": os.pathsep.join(
                    filter(None, [os.environ.get("PYTHONPATH"), str(self._root)])
                ),
                **environ,
            },
            stdout=subprocess.DEVNULL,
            check=True,
        )
        return _cpu() - before, time.perf_counter() - began


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def served(
    root: Path, cases: int, latency: float = 0.0
) -> Iterator[tuple[Sandbox, dict[str, str]]]:
    """Yield a server with that many test *cases* in a phase, and its variables.

    *latency* is the delay of each answer in seconds.
    """
    with Sandbox(root / f"server{cases}-{latency}.db") as sandbox:
        _, _, _, phase = sandbox.store.ensure_target("P", "1.0", "C", "Phase")
        sandbox.store.schedule_all(phase, range(1000, 1000 + cases))
        if latency:
            sandbox.faults.add(Fault(kind="latency", seconds=latency, times=None))
        yield (
            sandbox,
            {
                "ZEPHYR_URL": sandbox.url,
                "ZEPHYR_TOKEN": sandbox.token,
                "ZEPHYR_PHASE": str(phase),
            },
        )


#: Flags of pytest that only load the plugin, that also write a journal, and that also send
#: its results.
PLUGIN = ("-p", "pytest_zephyr.plugin")
JOURNAL = (*PLUGIN, "--zephyr", "--zephyr-push=never")
REPORT = (*PLUGIN, "--zephyr")


def off(root: Path) -> None:
    """CPU of a run with one test and the unused plugin, relative to one without the plugin.

    The package must be installed, because every run loads its entry point.
    """
    suites = Suites(root)
    ratios = []
    for _ in range(100):
        # Load all installed plugins, as in the run of a user.
        autoload = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": ""}
        without = suites.run(1, "-p", "no:zephyr", **autoload)[0]
        ratios.append(suites.run(1, **autoload)[0] / without)
    ratios.sort()
    say(
        f"off: {statistics.median(ratios):.3f} times the CPU of a run without the plugin (median"
        f" of 100 pairs; half of them from {ratios[25]:.3f} to {ratios[75]:.3f})"
    )


def slope(root: Path) -> None:
    """CPU that each test adds, from 5,000 to 20,000 tests, relative to junitxml."""
    suites = Suites(root)
    few, many = 5_000, 20_000
    with served(root, many) as (_, environ):
        variants: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
            "nothing": (("-p", "no:junitxml"), {}),
            "floor": (("-p", "no:junitxml", "-p", "floor"), {}),
            "junitxml": ((f"--junitxml={root / 'junit.xml'}",), {}),
            "ours, journal": (("-p", "no:junitxml", *JOURNAL), {}),
            "ours, with the sender": (("-p", "no:junitxml", *REPORT), environ),
        }
        lowest: dict[tuple[str, int], float] = {}
        rows = [(name, tests) for name in variants for tests in (few, many)]
        for _ in range(5):
            # Other load only adds CPU, so the lowest value counts. The order is random, so
            # that no row always follows the same row.
            random.shuffle(rows)
            for name, tests in rows:
                args, more = variants[name]
                used = suites.run(tests, *args, **more)[0]
                lowest[name, tests] = min(used, lowest.get((name, tests), used))
    slopes = {
        name: (lowest[name, many] - lowest[name, few]) / (many - few) * 1e6
        for name in variants
    }
    base = slopes.pop("nothing")
    junit = slopes["junitxml"] - base
    for name, each in slopes.items():
        added = each - base
        say(f"slope, {name}: {added:.0f} µs for a test, {added / junit:.2f} × junitxml")


def start(root: Path) -> None:
    """CPU of each of the two senders of a run, for one result: the lowest cost of a sender."""
    suites = Suites(root)
    with served(root, 1) as (_, environ):
        journal, report = [], []
        for _ in range(20):
            journal.append(suites.run(1, *JOURNAL)[0])
            report.append(suites.run(1, *REPORT, **environ)[0])
    senders = statistics.median(report) - statistics.median(journal)
    say(f"start: {senders / 2:.2f} s of CPU for each of the two senders of a run")


def memory(root: Path) -> None:
    """Bytes that modules of the plugin keep in the test process for each test."""
    suites = Suites(root)
    few, many = 2_000, 8_000
    (root / "traced.py").write_text(
        "import os, pytest, tracemalloc\n"
        "@pytest.hookimpl(wrapper=True, tryfirst=True)\n"
        "def pytest_sessionfinish():\n"
        "    mine = [tracemalloc.Filter(True, '*pytest_zephyr*')]\n"
        "    traces = tracemalloc.take_snapshot().filter_traces(mine)\n"
        "    size = sum(each.size for each in traces.statistics('filename'))\n"
        "    open(os.environ['TRACED'], 'w').write(str(size))\n"
        "    return (yield)\n",
        encoding="utf-8",
    )
    sizes = []
    for tests in (few, many):
        traced = root / f"traced{tests}"
        more = {"PYTHONTRACEMALLOC": "1", "TRACED": str(traced)}
        suites.run(tests, *JOURNAL, "-p", "traced", **more)
        sizes.append(int(traced.read_text(encoding="utf-8")))
    bytes_per_test = (sizes[1] - sizes[0]) / (many - few)
    say(f"memory: the test process keeps {bytes_per_test:.0f} bytes for a test")


def requests(root: Path) -> None:
    """Requests and seconds for 1,000 results on a server that answers after 50 ms."""
    suites = Suites(root)
    tests = 1_000
    with served(root, tests, latency=0.05) as (sandbox, environ):
        rows = [("one process", ())]
        if importlib.util.find_spec("xdist"):
            rows.append(("-n2", ("-p", "xdist", "-n2")))
        for name, args in rows:
            journal_seconds = suites.run(tests, *args, *JOURNAL)[1]
            before = len(sandbox.requests)
            report_seconds = suites.run(tests, *args, *REPORT, **environ)[1]
            say(
                f"requests, {name}: {len(sandbox.requests) - before} requests, and"
                f" {report_seconds - journal_seconds:.2f} s more than with the journal alone"
            )


def sender(root: Path) -> None:
    """Memory, requests and CPU of a push of 25,000 to 100,000 results."""
    for results in (25_000, 50_000, 100_000):
        with served(root, results) as (sandbox, environ):
            journal = root / f"large{results}.jsonl"
            _write_journal(journal, results)
            before = len(sandbox.requests)
            flags = [f"--zephyr-url={environ['ZEPHYR_URL']}", "--zephyr-deadline=1000"]
            flags.append(f"--zephyr-phase={environ['ZEPHYR_PHASE']}")
            size, cpu = _run_command("push", str(journal), *flags, **environ)
            say(
                f"sender, {results} results: {size:.0f} MiB,"
                f" {len(sandbox.requests) - before} requests, {cpu:.1f} s of CPU"
            )


def _run_command(*args: str, **environ: str) -> tuple[float, float]:
    """Run `pytest-zephyr`; return its peak memory in MiB and its seconds of CPU."""
    code = (
        "import re, resource, sys; from pytest_zephyr.cli import main;"
        "code = main(sys.argv[1:]);"
        "used = resource.getrusage(resource.RUSAGE_SELF);"
        "status = open('/proc/self/status').read();"
        "size = re.search('VmHWM:\\s+([0-9]+)', status)[1];"
        "print(size, used.ru_utime + used.ru_stime, code)"
    )
    process = subprocess.run(
        [sys.executable, "-c", code, *args],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=True,
    )
    size, cpu, exit_code = process.stdout.split()[-3:]
    assert exit_code == "0", process.stdout
    return int(size) / 1024, float(cpu)


def _write_journal(path: Path, results: int) -> None:
    lines = [json.dumps(JOURNAL_HEADER)]
    tests = [f"test_large.py::test_a[{n}]" for n in range(results)]
    for n, test in enumerate(tests):
        lines.append(json.dumps({"kind": "item", "nodeid": test, "cases": [1000 + n]}))
    now = time.time_ns() // 1_000_000
    for test in tests:
        lines.append(json.dumps({"kind": "start", "nodeid": test, "at": now}))
        passed = {"kind": "passed", "nodeid": test, "duration": 900, "at": now}
        lines.append(json.dumps(passed))
    lines.append(json.dumps({"kind": "end", "at": now}))
    path.write_text("\n".join(lines) + "\n", encoding="ascii")


def journals(root: Path) -> None:
    """Seconds that 5,000 old journals add to a session with one test."""
    suites = Suites(root)
    directory = root / "many"
    with served(root, 1) as (_, environ):
        seconds = []
        for count in (0, 5_000):
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir()
            for n in range(count):
                lines = [
                    {**JOURNAL_HEADER, "session": f"old{n}"},
                    {"kind": "delivered", "at": 1},
                ]
                path = directory / f"2026-01-01T00-00-00-{n:06x}.jsonl"
                text = "".join(f"{json.dumps(line)}\n" for line in lines)
                path.write_text(text, encoding="ascii")
                os.utime(path, (1, 1))
            flags = (*REPORT, f"--zephyr-journal={directory}", "--zephyr-run-key=k")
            seconds.append(suites.run(1, *flags, **environ)[1])
    say(f"journals: 5,000 old ones add {seconds[1] - seconds[0]:.2f} s to a session")


def imports(root: Path) -> None:
    """Memory and CPU of imports of about 200 MB: many tests, much output, one long text."""
    trace = "at shop.Cart.total(Cart.java:12)\n" * 25
    failure = f'<failure message="expected 12">{trace}</failure>'
    line = "0123456789 abcdefghijklmnopqrstuvwxyz \u20ac\n" * 1_000
    shapes = {
        "many tests": (200_000, failure, 1),
        "much output": (1_000, line, 5),
        "one text": (1, line, 5_000),
    }
    for name, (tests, content, times) in shapes.items():
        path = root / "large.xml"
        with path.open("w", encoding="utf-8") as file:
            file.write("<testsuites><testsuite name='large'>\n")
            for n in range(tests):
                file.write(
                    f'<testcase classname="shop.Cart" name="t{n}" zephyr="{n + 1}">'
                )
                file.write("" if content is failure else "<system-out>")
                for _ in range(times):
                    file.write(content)
                file.write("" if content is failure else "</system-out>")
                file.write("</testcase>\n")
            file.write("</testsuite></testsuites>\n")
        for capture in ("none", "all"):
            flags = f"--zephyr-capture={capture}", f"--zephyr-journal={root / capture}"
            size, cpu = _run_command("import", str(path), *flags)
            say(
                f"imports, {name} ({path.stat().st_size / 1e6:.0f} MB), output {capture}:"
                f" {size:.0f} MiB, {cpu:.1f} s of CPU"
            )


BENCHMARKS: dict[str, Callable[[Path], None]] = {
    each.__name__: each
    for each in (off, slope, start, memory, requests, sender, journals, imports)
}


def main() -> None:
    names = sys.argv[1:] or list(BENCHMARKS)
    if unknown := set(names) - set(BENCHMARKS):
        sys.exit(
            f"there is no benchmark {sorted(unknown)[0]}; choose from {', '.join(BENCHMARKS)}"
        )
    with tempfile.TemporaryDirectory() as root:
        for name in names:
            BENCHMARKS[name](Path(root))


if __name__ == "__main__":
    main()
