"""Reads JUnit XML of any size, one test case at a time."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import field
from datetime import datetime
from pathlib import Path
import re
import time
from typing import Any
from xml.sax import SAXParseException
from xml.sax.handler import ContentHandler

from pytest_zephyr.errors import ReportError
from pytest_zephyr.text import shorten


#: The elements that say how a test ended; Surefire writes some for other attempts.
_ENDINGS = re.compile(r"(flaky|rerun|)(failure|error|skipped|ignored)", re.IGNORECASE)

#: The first letters of values of `status` and `result` that some tools write instead.
_STATUSES = {
    "fail": "failure",
    **dict.fromkeys(["erro", "brok", "abor", "cras", "time"], "error"),
    **dict.fromkeys(
        ["skip", "notr", "disa", "igno", "pend", "supp", "inco"], "skipped"
    ),
}

_SUITES = {"testsuites", "testsuite", "testrun"}
_TESTS = _SUITES | {"testcase"}

#: How output names an attachment; JSON may follow the path.
_ATTACHMENT = re.compile(r"\[\[ATTACHMENT\|([^|\n]+?)(?:\|\{[^\n\]]{0,500}\})?\]\]")

_TIMESTAMP = re.compile(
    r"\s*(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)[\d.,]*\s*(Z|UTC|GMT|[+-]\d\d:?\d\d)?\s*"
)
_MOMENT = "%Y-%m-%d%H:%M:%S%z"
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

#: Characters that are read of a failure, and of a name or a message.
_MAX_TEXT, MAX_LINE = 2**20, 1000

#: Characters to parse at once, and the most such chunks in a tag and nested elements.
_CHUNK, _LONGEST_TAG, _DEEPEST = 2**16, 2**8, 200


class Text:
    """A bit more than the first *limit* characters of a text, and all its attachments."""

    def __init__(self, limit: int, text: str = "") -> None:
        self.length = 0
        self.attachments: dict[str, None] = {}
        self._limit = limit
        self._parts: list[str] = []
        self._last = ""
        self.add(text)

    def add(self, part: str) -> None:
        if self.length <= self._limit:
            self._parts.append(part)
        self.length += len(part)
        # A path may be spread over several parts.
        self._last += part
        for match in _ATTACHMENT.finditer(self._last):
            if len(self.attachments) < 1000:
                self.attachments[match[1].strip()] = None
        self._last = self._last[-MAX_LINE:]

    def __str__(self) -> str:
        return "".join(self._parts).strip()


@dataclass
class Ending:
    """How an attempt ended: *outcome* is failure, error or skipped.

    *attempt* is ``flaky`` before and ``rerun`` after the attempt of the element itself.
    """

    attempt: str
    outcome: str
    message: str
    type: str
    output: Text
    text: Text = field(default_factory=lambda: Text(_MAX_TEXT))

    @property
    def title(self) -> str:
        text = self.message or self.type or str(self.text) or self.outcome
        return text.partition("\n")[0][:MAX_LINE]


class TestElement:
    """A ``testcase`` element, or a suite; *where* is its file and line.

    *ids* is a text that names test cases. *began*, 0 if that is unknown, and *at*, its
    end, are in milliseconds since the epoch. The tests inside took *inner* microseconds.
    """

    __test__ = False

    def __init__(self, path: Path, where: str, tag: str, attrs: Mapping[str, str]):
        self.path, self.where, self.is_suite = path, where, tag in _SUITES
        classname = attrs.get("classname", attrs.get("class", ""))
        self.classname = shorten(classname, MAX_LINE)
        self.name = shorten(attrs.get("name", ""), MAX_LINE)
        words = (attrs.get(name, "").lower() for name in ("result", "status"))
        self.statuses = [re.sub(r"[\W_]", "", word) for word in words]
        self.microseconds = 0 if self.is_suite else _microseconds(attrs.get("time", ""))
        self.began = self.at = self.inner = 0
        self.ids = Text(MAX_LINE, attrs.get("zephyr", ""))
        self.output = Text(0)
        self.endings: list[Ending] = []

    @property
    def full_name(self) -> str:
        """``classname.name``; some tools write one name for both."""
        names = dict.fromkeys((self.classname, self.name))
        return ".".join(filter(None, names)) or "(no name)"

    def attempts(self) -> list[list[Ending]]:
        """Return the endings of each attempt, none if it passed."""
        flaky = [[each] for each in self.endings if each.attempt == "flaky"]
        rerun = [[each] for each in self.endings if each.attempt == "rerun"]
        return [*flaky, [each for each in self.endings if not each.attempt], *rerun]


class _Handler(ContentHandler):
    """Makes a `TestElement` of each ``testcase``, and of each suite that has failed."""

    def __init__(self, path: Path, max_output: int, parser: Any) -> None:
        super().__init__()
        self.finished: list[TestElement] = []
        # The elements that are open, with the text that their content belongs to.
        self.open_elements: list[tuple[str, Text | None]] = [("", None)]
        self._tests: list[TestElement] = []
        self._path, self._max_output, self._parser = path, max_output, parser
        # No test has ended after the file was written.
        self._latest = int(min(path.stat().st_mtime, time.time()) * 1000)

    @property
    def where(self) -> str:
        return f"{self._path}, line {self._parser.getLineNumber()}"

    def startElement(self, name: str, attrs: Any) -> None:
        tag = name.rpartition(":")[2]
        parent, text = self.open_elements[-1]
        if not parent and tag not in _SUITES:
            raise ReportError(
                f"{self.where}: <{shorten(tag, 40)}> is not the root of JUnit XML. Robot"
                f" Framework writes it with --xunit, TestNG into junitreports, .NET with"
                f" --logger junit."
            )
        if len(self.open_elements) > _DEEPEST:
            raise ReportError(f"{self.where}: {_DEEPEST} elements inside each other.")
        if tag in _TESTS:
            test = TestElement(self._path, self.where, tag, attrs)
            test.output = Text(self._max_output)
            test.began = _milliseconds(attrs.get("timestamp", ""), self._latest)
            if test.is_suite and not test.began and self._tests:
                test.began = self._tests[-1].began
            self._tests.append(test)
        else:
            text = self._begin_detail(tag, attrs) or text
        self.open_elements.append((tag, text))

    def _begin_detail(self, tag: str, attrs: Mapping[str, str]) -> Text | None:
        """Begin an element in a test; return what collects its text, if anything."""
        test = self._tests[-1]
        if match := _ENDINGS.fullmatch(tag):
            output = Text(self._max_output) if match[1] else test.output
            reason = attrs.get("message", "").strip(), attrs.get("type", "")
            outcome = match[2].lower().replace("ignored", "skipped")
            test.endings.append(Ending(match[1].lower(), outcome, *reason, output))
            return test.endings[-1].text
        if tag in {"system-out", "system-err"}:
            in_ending = _ENDINGS.fullmatch(self.open_elements[-1][0])
            output = test.endings[-1].output if in_ending else test.output
            output.add("\n" + f" {tag} ".center(80, "-") + "\n")
            return output
        if tag == "property" and attrs.get("name", "").lower() == "zephyr":
            test.ids.add("," + attrs.get("value", ""))
            return test.ids
        return None

    def characters(self, content: str) -> None:
        if (text := self.open_elements[-1][1]) is not None:
            text.add(content)

    def endElement(self, name: str) -> None:
        tag, _text = self.open_elements.pop()
        if tag not in _TESTS:
            return
        test = self._tests.pop()
        if not test.is_suite:
            suite = self._tests[-1]
            if suite.began and not test.began:
                test.began = suite.began + suite.inner // 1000
            suite.inner += test.microseconds
            for status in test.statuses:
                if not test.endings and status[:4] in _STATUSES:
                    outcome = _STATUSES[status[:4]]
                    test.endings.append(Ending("", outcome, status, "", test.output))
        else:
            test.endings = [each for each in test.endings if each.outcome != "skipped"]
            if not test.endings:
                return
        milliseconds = (test.microseconds + test.inner) // 1000
        test.at = min((test.began or self._latest) + milliseconds, self._latest)
        self.finished.append(test)


def _milliseconds(text: str, latest: int) -> int:
    """Return the milliseconds since the epoch of *text*, 0 if it is no time up to *latest*.

    Without a time zone it is local time or UTC, whichever is later.
    """
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        return 0
    zone = match[3] and re.sub("[A-Z]+", "Z", match[3])
    moments = []
    for each in [zone] if zone else ["Z", time.strftime("%z")]:
        with suppress(ValueError, OverflowError):
            moment = datetime.strptime(f"{match[1]}{match[2]}{each}", _MOMENT)
            moments.append(int(moment.timestamp()) * 1000)
    # Some tools write 1970 for "never".
    return max((each for each in moments if 10**12 < each <= latest), default=0)


def _microseconds(text: str) -> int:
    """Return a duration such as ``1.5``, ``1,234.5`` or ``0,5``; 0 for any other text."""
    with suppress(ValueError):
        seconds = float(text.replace(",", "" if "." in text else "."))
        return round(seconds * 1_000_000) if 0 < seconds < 10**8 else 0
    return 0


def read(path: Path, max_output: int) -> Iterator[TestElement]:
    """Yield the test cases in the file at *path*. Raises ReportError.

    At least *max_output* characters of the output of each are read.
    """
    try:
        from defusedxml import DefusedXmlException
        from defusedxml import sax
    except ImportError as error:
        raise ReportError(
            "defusedxml, which reads XML, is not installed. Install it with: pip install"
            " 'pytest-zephyr[junit]'"
        ) from error
    parser = sax.make_parser()
    handler = _Handler(path, max_output, parser)
    parser.setContentHandler(handler)
    try:
        # Decoded here: the parser knows few encodings, and does not forgive a bad byte.
        with path.open(encoding=_encoding(path), errors="replace", newline="") as file:
            parser.feed("")
            position: object = None
            chunks_in_tag = 0
            while chunk := file.read(_CHUNK):
                parser.feed(_NOT_IN_XML.sub("\ufffd", chunk))
                yield from handler.finished
                handler.finished.clear()
                before = position
                position = parser.getLineNumber(), parser.getColumnNumber()
                # The parser stays at the beginning of a tag until it has all of it.
                chunks_in_tag = chunks_in_tag + 1 if position == before else 0
                if chunks_in_tag > _LONGEST_TAG:
                    raise ReportError(f"{handler.where}: a tag of more than 16M.")
        parser.close()
    except DefusedXmlException as error:
        raise ReportError(
            f"{handler.where}: it defines or includes entities, which may read files or"
            f" fill the memory. Remove its <!DOCTYPE>."
        ) from error
    except SAXParseException as error:
        problem = f"not well-formed XML ({error.getMessage()})."
        if "no element found" in problem:
            tag, _text = handler.open_elements[-1]
            ends = f"ends inside <{tag}>" if tag else "has no XML"
            problem = f"the file {ends}. Run its tests again."
        raise ReportError(f"{handler.where}: {problem}") from error
    except (OSError, LookupError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ReportError(f"{path} cannot be read: {reason}.") from error
    yield from handler.finished


def _encoding(path: Path) -> str:
    """Return the encoding of an XML file, by its first bytes."""
    with path.open("rb") as file:
        start = file.read(400)
    if start[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return "utf-16"
    declared = re.match(rb"<\?xml[^>]*\sencoding\s*=\s*[\"']([\w.-]+)", start)
    name = declared[1].decode("ascii").lower() if declared else "utf-8"
    # Some tools on Windows declare UTF-16 and write UTF-8.
    return "utf-8-sig" if name.startswith("utf") else name
