"""Record the terminal output in the documents, from real runs against the sandbox.

`python tools/record.py` runs the commands of each page of `docs` and writes their output
into its blocks; `--pictures` also takes the pictures, which needs Chromium and Playwright.
`tests/docs/test_recorded.py` fails if a page shows other output than its commands print.

Each page is played from top to bottom in an empty directory, with a sandbox that has the
demo project and is named in environment variables. These parts of a page are played:

- a block with a `:caption:` is written to the file with that name, or appended to it
- `<!-- files: tutorial.md -->` writes the files of another page
- `<!-- run: COMMAND -->` runs a command that the page does not show
- `<!-- recorded -->` before a `console` block: its commands are run, and get their output
- `<!-- recorded: COMMAND -->` before another block: the block gets the output
- `<!-- recorded from TEXT: COMMAND -->`: the same for the part of the output from the first
  line with this text to the next line that begins with `===`

In a command `VARIABLE=value` sets a variable, and `VARIABLE=` removes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from datetime import date
from datetime import timedelta
from hashlib import sha256
import os
from pathlib import Path
import re
import shlex
import subprocess
import sys
from tempfile import TemporaryDirectory

from pytest_zephyr.sandbox import add_demo
from pytest_zephyr.sandbox import Sandbox


SITE = Path(__file__).resolve().parents[1] / "docs"

#: The date, the directory and the address of the sandbox in all recordings.
DAY = date(2026, 11, 26)
DIRECTORY = "/path/to/shop"
ADDRESS = "http://127.0.0.1:8765"

_PART = re.compile(
    r"^<!-- (?P<verb>files|run|recorded)(?: from (?P<start>[^:\n]+?))?(?:: (?P<what>.+?))? -->$"
    r"|^(?P<fence>```+)(?P<info>[^`\n]*)\n(?P<body>.*?)^(?P=fence)$",
    re.MULTILINE | re.DOTALL,
)
_CAPTION = re.compile(r":caption: *(\S+)\n")
_OPTIONS = re.compile(r"(?::\w+:.*\n)*\n?")

_JOURNAL_ROWS = re.compile(r"(?:^\.zephyr/\S+\.jsonl .*\n)+", re.MULTILINE)
_JOURNAL_NAME = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-[0-9a-f]{6}")


def pages() -> list[Path]:
    """Return the pages with recordings."""
    return [
        path
        for path in sorted(SITE.rglob("*.md"))
        if "\n<!-- recorded" in path.read_text("utf-8")
    ]


def record(page: Path) -> str:
    """Return the text of *page* with what its commands print now."""
    with TemporaryDirectory() as name, demo() as variables:
        stage = Stage(Path(name), variables)
        return stage.play(page.read_text("utf-8"))


@contextmanager
def demo() -> Iterator[dict[str, str]]:
    """Start a sandbox with the demo project, and yield the variables that name it."""
    with Sandbox() as sandbox:
        add_demo(sandbox.store)
        yield {
            "ZEPHYR_URL": sandbox.url,
            "ZEPHYR_TOKEN": sandbox.token,
            "ZEPHYR_PROJECT": "Demo shop",
            "ZEPHYR_RELEASE": "1.0",
            "ZEPHYR_CYCLE": "Nightly",
            "ZEPHYR_PHASE": "Smoke",
        }


class Stage:
    """Runs commands in a directory, and makes their output the same in each recording."""

    def __init__(self, directory: Path, variables: Mapping[str, str]) -> None:
        self._directory = directory
        self._journals: dict[str, str] = {}
        tools = str(Path(sys.executable).parent)
        self._environ = {
            "PATH": os.pathsep.join([tools, os.environ.get("PATH", os.defpath)]),
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "HOME": str(directory),
            "LANG": "C.UTF-8",
            "COLUMNS": "80",
            # Other plugins would print lines of their own.
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTEST_PLUGINS": "pytest_zephyr.plugin",
            **variables,
        }

    def play(self, text: str) -> str:
        """Play the page *text*, and return it with new recordings."""
        pending: re.Match[str] | None = None

        def replace(match: re.Match[str]) -> str:
            nonlocal pending
            if match["fence"] is None:
                pending = match if match["verb"] == "recorded" else None
                if match["verb"] == "run":
                    self.run(match["what"])
                elif match["verb"] == "files":
                    self._write_files((SITE / match["what"]).read_text("utf-8"))
                return match[0]
            marker, pending = pending, None
            if marker is None:
                self._write_file(match["body"])
                return match[0]
            output = self._recording(marker, match["body"])
            fence, info = match["fence"], match["info"]
            return f"{fence}{info}\n{output}{fence}"

        return _PART.sub(replace, text)

    def _recording(self, marker: re.Match[str], body: str) -> str:
        if marker["what"] is not None:
            return excerpt(self.run(marker["what"]), marker["start"])
        commands = [line[2:] for line in body.splitlines() if line.startswith("$ ")]
        return "".join(
            f"$ {command}\n{excerpt(self.run(command), marker['start'])}"
            for command in commands
        )

    def run(self, command: str) -> str:
        """Run *command*; return its output with the same times and paths in each recording."""
        words = shlex.split(command)
        environ = dict(self._environ)
        while re.fullmatch(r"\w+=.*", words[0]):
            name, _, value = words.pop(0).partition("=")
            environ[name] = value
        environ = {name: value for name, value in environ.items() if value}
        process = subprocess.run(
            words,
            cwd=self._directory,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        return self._normalise(process.stdout.decode("utf-8"))

    def _normalise(self, text: str) -> str:
        """Return *text* with the times, paths and addresses that all recordings have."""
        text = re.sub(re.escape(str(self._directory)), DIRECTORY, text)
        text = re.sub(r"http://127\.0\.0\.1:\d+", ADDRESS, text)
        text = re.sub(r"\b(in|after) \d+\.\d\d?s\b", r"\1 0.12s", text)
        text = _JOURNAL_NAME.sub(lambda match: self._journal_name(match[0]), text)
        # The order of journals of the same second is random.
        text = _JOURNAL_ROWS.sub(
            lambda match: "".join(sorted(match[0].splitlines(True))), text
        )
        offset = DAY - date.today()
        text = re.sub(
            r"\b20\d\d-\d\d-\d\d\b(?!T)", lambda match: _shift(match[0], offset), text
        )
        return re.sub(r"(?<=\d{4}-\d\d-\d\d )\d\d:\d\d\b", "14:08", text)

    def _journal_name(self, name: str) -> str:
        number = len(self._journals) + 1
        digest = sha256(str(number).encode()).hexdigest()[:6]
        return self._journals.setdefault(name, f"{DAY}T14-08-{number:02}-{digest}")

    def _write_files(self, text: str) -> None:
        for match in _PART.finditer(text):
            if match["fence"] is not None:
                self._write_file(match["body"])

    def _write_file(self, body: str) -> None:
        if caption := _CAPTION.match(body):
            path = self._directory / caption[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            before = path.read_text("utf-8") if path.exists() else ""
            path.write_text(before + _OPTIONS.sub("", body, count=1), "utf-8")


def _shift(day: str, offset: timedelta) -> str:
    return str(date.fromisoformat(day) + offset)


def excerpt(text: str, start: str | None) -> str:
    """Return the lines of *text* from the first one with *start* to the next ``===``.

    The line with ``===`` is left out. If *start* is `None`, all lines are returned.
    """
    lines = [line.rstrip() for line in text.strip("\n").splitlines()]
    if start is not None:
        first = next(number for number, line in enumerate(lines) if start in line)
        last = next(
            (
                number
                for number, line in enumerate(lines)
                if number > first and line.startswith("===")
            ),
            len(lines),
        )
        lines = lines[first:last]
    return "".join(f"{line}\n" for line in lines)


def main() -> None:
    for page in pages():
        page.write_text(record(page), "utf-8")
    if "--pictures" in sys.argv:
        from tools import pictures

        pictures.take()


if __name__ == "__main__":
    main()
