"""Reads JUnit XML of any size, one test at a time."""

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

from pytest_zephyr.errors import JunitError
from pytest_zephyr.text import shorten


#: The elements that say how a test ended. Those of Surefire that begin with ``flaky`` or
#: ``rerun`` are about another attempt of the test.
_ENDINGS = re.compile(r"(flaky|rerun|)(failure|error|skipped|ignored)", re.IGNORECASE)

#: Outcomes, by the first four letters of the value of an attribute `status` or
#: `result`, with which some tools say how a test ended, instead of an element.
_OUTCOMES = {
    "fail": "failure",
    **dict.fromkeys(["erro", "brok", "abor", "cras", "time"], "error"),
    **dict.fromkeys(
        ["skip", "notr", "disa", "igno", "pend", "supp", "inco"], "skipped"
    ),
}

_SUITE_TAGS = {"testsuites", "testsuite", "testrun"}
#: The elements that a `TestElement` is made of.
_TEST_TAGS = _SUITE_TAGS | {"testcase"}

#: How output names an attachment: the path, and perhaps JSON after it.
_ATTACHMENT = re.compile(r"\[\[ATTACHMENT\|([^|\n]+?)(?:\|\{[^\n\]]{0,500}\})?\]\]")

_TIMESTAMP = re.compile(
    r"\s*(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)[\d.,]*\s*(Z|UTC|GMT|[+-]\d\d:?\d\d)?\s*"
)
_TIMESTAMP_FORMAT = "%Y-%m-%d%H:%M:%S%z"
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

#: About how many characters to keep of the text of a failure.
_MAX_TEXT = 2**20

#: The most characters to keep of a name, and of a failure or a skip in one line.
MAX_LINE = 1000

#: The most attachments to take from one text.
_MAX_ATTACHMENTS = 1000

#: How many characters to parse at once.
_CHUNK_SIZE = 2**16

#: The most chunks that one tag may take, about 16 million characters.
_MAX_CHUNKS_IN_TAG = 2**8

#: How many elements may be nested.
_MAX_DEPTH = 200


class Text:
    """At least the first *limit* characters of a text, and the attachments it names."""

    def __init__(self, limit: int, text: str = "") -> None:
        self.length = 0
        self.attachments: dict[str, None] = {}
        self._limit = limit
        self._parts: list[str] = []
        self._last = ""
        self.add(text)

    def add(self, part: str) -> None:
        """Add *part*, and find the attachments in it even beyond the limit."""
        if self.length <= self._limit:
            self._parts.append(part)
        self.length += len(part)
        # A path may be spread over several parts.
        self._last += part
        for match in _ATTACHMENT.finditer(self._last):
            if len(self.attachments) < _MAX_ATTACHMENTS:
                self.attachments[match[1].strip()] = None
        self._last = self._last[-MAX_LINE:]

    def __str__(self) -> str:
        return "".join(self._parts).strip()


@dataclass
class Ending:
    """How an attempt ended: *outcome* is failure, error or skipped.

    *attempt* is ``flaky`` for attempts before that of the ``testcase`` element itself,
    ``rerun`` for those after it, and otherwise empty.
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
    """A ``testcase`` element, or a suite.

    - *where* is its file and line.
    - *statuses* are its attributes ``result`` and ``status``, in lower case, with
      only letters and digits.
    - *started* and *ended* are in milliseconds since the epoch. *started* is 0 if it is not
      known, *ended* until the element is read.
    - *microseconds* is the duration of a test, 0 for a suite. *microseconds_of_tests* is
      the duration of the tests directly in the element.
    - *ids* is a text that names test cases.
    """

    __test__ = False

    def __init__(self, path: Path, where: str, tag: str, attrs: Mapping[str, str]):
        self.path, self.where, self.is_suite = path, where, tag in _SUITE_TAGS
        classname = attrs.get("classname", attrs.get("class", ""))
        self.classname = shorten(classname, MAX_LINE)
        self.name = shorten(attrs.get("name", ""), MAX_LINE)
        statuses = (attrs.get(name, "").lower() for name in ("result", "status"))
        self.statuses = [re.sub(r"[\W_]", "", status) for status in statuses]
        duration = attrs.get("time", "")
        self.microseconds = 0 if self.is_suite else _parse_duration(duration)
        self.started = self.ended = self.microseconds_of_tests = 0
        self.ids = Text(MAX_LINE, attrs.get("zephyr", ""))
        self.output = Text(0)
        self.endings: list[Ending] = []

    @property
    def full_name(self) -> str:
        """``classname.name``, or one of both if they are equal or the other is empty.

        Without both it is ``(no name)``.
        """
        names = dict.fromkeys((self.classname, self.name))
        return ".".join(filter(None, names)) or "(no name)"

    def attempts(self) -> list[list[Ending]]:
        """Return the endings of each attempt in order; one that passed has none."""
        flaky = [[each] for each in self.endings if each.attempt == "flaky"]
        rerun = [[each] for each in self.endings if each.attempt == "rerun"]
        return [*flaky, [each for each in self.endings if not each.attempt], *rerun]


class _Handler(ContentHandler):
    """Makes a `TestElement` of each ``testcase``, and of suites with a failure of their own.

    A failure of its own is an element directly in the suite, outside of its tests.
    """

    def __init__(self, path: Path, max_output: int, parser: Any) -> None:
        super().__init__()
        self.finished: list[TestElement] = []
        # The elements that are open, with the text that their content belongs to.
        self.open_elements: list[tuple[str, Text | None]] = [("", None)]
        self._open_tests: list[TestElement] = []
        self._path, self._max_output, self._parser = path, max_output, parser
        # In milliseconds; no test can have ended after the file was written.
        self._latest = int(min(path.stat().st_mtime, time.time()) * 1000)

    @property
    def where(self) -> str:
        return f"{self._path}, line {self._parser.getLineNumber()}"

    def startElement(self, name: str, attrs: Any) -> None:
        tag = name.rpartition(":")[2]
        parent, text = self.open_elements[-1]
        if not parent and tag not in _SUITE_TAGS:
            raise JunitError(
                f"{self.where}: <{shorten(tag, 40)}> is not the root of JUnit XML. Robot"
                f" Framework writes JUnit XML with --xunit, TestNG into junitreports, .NET"
                f" with --logger junit."
            )
        if len(self.open_elements) > _MAX_DEPTH:
            raise JunitError(
                f"{self.where}: more than {_MAX_DEPTH} elements are nested."
            )
        if tag in _TEST_TAGS:
            test = TestElement(self._path, self.where, tag, attrs)
            test.output = Text(self._max_output)
            test.started = _parse_timestamp(attrs.get("timestamp", ""), self._latest)
            if test.is_suite and not test.started and self._open_tests:
                test.started = self._open_tests[-1].started
            self._open_tests.append(test)
        else:
            text = self._begin_detail(tag, attrs) or text
        self.open_elements.append((tag, text))

    def _begin_detail(self, tag: str, attrs: Mapping[str, str]) -> Text | None:
        """Begin an element in a test or suite; return the `Text` for its content.

        Returns `None` if the content belongs to the parent.
        """
        test = self._open_tests[-1]
        if match := _ENDINGS.fullmatch(tag):
            output = Text(self._max_output) if match[1] else test.output
            message, kind = attrs.get("message", "").strip(), attrs.get("type", "")
            outcome = match[2].lower().replace("ignored", "skipped")
            attempt = match[1].lower()
            test.endings.append(Ending(attempt, outcome, message, kind, output))
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
        if tag not in _TEST_TAGS:
            return
        test = self._open_tests.pop()
        if not test.is_suite:
            parent = self._open_tests[-1]
            if parent.started and not test.started:
                test.started = parent.started + parent.microseconds_of_tests // 1000
            parent.microseconds_of_tests += test.microseconds
            for status in test.statuses:
                if not test.endings and status[:4] in _OUTCOMES:
                    outcome = _OUTCOMES[status[:4]]
                    test.endings.append(Ending("", outcome, status, "", test.output))
        else:
            test.endings = [each for each in test.endings if each.outcome != "skipped"]
            if not test.endings:
                return
        milliseconds = (test.microseconds + test.microseconds_of_tests) // 1000
        test.ended = min((test.started or self._latest) + milliseconds, self._latest)
        self.finished.append(test)


def _parse_timestamp(text: str, latest: int) -> int:
    """Return the milliseconds since the epoch of *text*, 0 if it is no valid time.

    A time after *latest* is not valid. A time without a zone may be local time or UTC: the
    later one counts that is valid.
    """
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        return 0
    zone = match[3] and re.sub("[A-Z]+", "Z", match[3])
    times = []
    for each in [zone] if zone else ["Z", time.strftime("%z")]:
        with suppress(ValueError, OverflowError):
            parsed = datetime.strptime(f"{match[1]}{match[2]}{each}", _TIMESTAMP_FORMAT)
            times.append(int(parsed.timestamp()) * 1000)
    # Some tools write a time in 1970 for "never". All times before September 2001 are
    # ignored.
    return max((each for each in times if 10**12 < each <= latest), default=0)


def _parse_duration(text: str) -> int:
    """Return the microseconds of a number of seconds, 0 if *text* is not a valid one.

    The seconds may be written as ``1.5``, ``1,234.5`` or ``0,5``.
    """
    with suppress(ValueError):
        seconds = float(text.replace(",", "" if "." in text else "."))
        return round(seconds * 1_000_000) if 0 < seconds < 10**8 else 0
    return 0


def read(path: Path, max_output: int) -> Iterator[TestElement]:
    """Yield the tests, and the failed suites, in the file at *path*. Raises JunitError.

    The output of each has at least its first *max_output* characters.
    """
    try:
        from defusedxml import DefusedXmlException
        from defusedxml import sax
    except ImportError as error:
        raise JunitError(
            "defusedxml, which reads XML, is not installed. Install it with: pip install"
            " 'pytest-zephyr[junit]'"
        ) from error
    parser = sax.make_parser()
    handler = _Handler(path, max_output, parser)
    parser.setContentHandler(handler)
    try:
        # The parser knows few encodings and fails at an invalid byte, so it gets text.
        with path.open(encoding=_encoding(path), errors="replace", newline="") as file:
            # Otherwise the parser accepts an empty file.
            parser.feed("")
            position: object = None
            chunks_in_tag = 0
            while chunk := file.read(_CHUNK_SIZE):
                parser.feed(_NOT_IN_XML.sub("\ufffd", chunk))
                yield from handler.finished
                handler.finished.clear()
                before = position
                position = parser.getLineNumber(), parser.getColumnNumber()
                # The parser stays at the beginning of a tag until it has all of it.
                chunks_in_tag = chunks_in_tag + 1 if position == before else 0
                if chunks_in_tag > _MAX_CHUNKS_IN_TAG:
                    raise JunitError(
                        f"{handler.where}: a tag has more than 16 million characters."
                    )
        parser.close()
    except DefusedXmlException as error:
        raise JunitError(
            f"{handler.where}: the file defines or includes entities, which may read files"
            f" or fill the memory. Remove its <!DOCTYPE>."
        ) from error
    except SAXParseException as error:
        problem = f"not well-formed XML ({error.getMessage()})."
        if "no element found" in problem:
            tag, _text = handler.open_elements[-1]
            ends = f"ends inside <{tag}>" if tag else "has no XML"
            problem = f"the file {ends}. Run its tests again."
        raise JunitError(f"{handler.where}: {problem}") from error
    except (OSError, LookupError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise JunitError(f"{path} cannot be read: {reason}.") from error
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
