"""`pytest-zephyr import` of files that are broken, unusual, or an attack."""

from __future__ import annotations

import gzip
import os
import sys

import pytest


TEST = '<testcase classname="C" name="a" zephyr="101"/>'
BOMB = '<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">'

#: The content of a file, and the message about it after the name of the file.
REFUSED: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", ", line 1: the file has no XML. Run its tests again."),
    "blank": (" \n\n", ", line 3: the file has no XML. Run its tests again."),
    "cut in a text": (
        f"<testsuite>\n{TEST}\n<testcase><failure>a",
        ", line 3: the file ends inside <failure>. Run its tests again.",
    ),
    "cut in a tag": (
        "<testsuite>\n<testcase na",
        ", line 2: not well-formed XML (unclosed token).",
    ),
    "wrong end tag": (
        "<testsuite>\n<testcase></testsuite>",
        ", line 2: not well-formed XML (mismatched tag).",
    ),
    "two documents": (
        f"<testsuite>{TEST}</testsuite>\n<testsuite/>",
        ", line 2: not well-formed XML (junk after document element).",
    ),
    "JSON": ('{"a": 1}', ", line 1: not well-formed XML ("),
    "gzip": (gzip.compress(b"<testsuite/>"), ", line 1: not well-formed XML ("),
    "web page": (
        "<!DOCTYPE html>\n<html><body>Login</body></html>",
        ", line 2: <html> is not the root of JUnit XML.",
    ),
    "other root": ("<robot/>", ", line 1: <robot> is not the root of JUnit XML."),
    "entity bomb": (
        f'<!DOCTYPE t [{BOMB}]><testsuite><testcase name="&c;"/></testsuite>',
        ", line 1: the file defines or includes entities,",
    ),
    "entity of a file": (
        '<!DOCTYPE t [<!ENTITY x SYSTEM "file:///etc/passwd">]>\n<testsuite>&x;</testsuite>',
        ", line 1: the file defines or includes entities,",
    ),
    "parameter entity": (
        '<!DOCTYPE t [<!ENTITY % x SYSTEM "file:///etc/passwd"> %x;]><testsuite/>',
        ", line 1: the file defines or includes entities,",
    ),
    "DTD of a server": (
        '<!DOCTYPE t SYSTEM "http://127.0.0.1:9/t.dtd"><testsuite/>',
        ", line 1: the file defines or includes entities,",
    ),
    "deeply nested": (
        "<testsuite>" * 10_000,
        ", line 1: more than 200 elements are nested.",
    ),
    "huge tag": (
        f'<testsuite>\n<testcase name="{"a" * (2**24 + 2**17)}"/></testsuite>',
        ", line 2: a tag has more than 16 million characters.",
    ),
    "unknown encoding": (
        '<?xml version="1.0" encoding="klingon"?><testsuite/>',
        " cannot be read: unknown encoding: klingon.",
    ),
    "encoding of no text": (
        '<?xml version="1.0" encoding="base64"?><testsuite/>',
        " cannot be read: 'base64' is not a text encoding",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_a_refused_file_is_named(kind, write_file, run_import, pytester):
    """Nothing is imported, not even the valid file before it."""
    content, message = REFUSED[kind]
    path = write_file("a.xml", content)
    imported = run_import(
        write_file("good.xml", f"<testsuite>{TEST}</testsuite>"), path
    )

    assert imported.ret == 2
    assert imported.err.startswith(f"zephyr: {path}{message}")
    assert imported.err.endswith("Nothing was imported.\n")
    assert not list((pytester.path / ".zephyr").glob("*.jsonl"))


@pytest.mark.parametrize("name", ["absent.xml", "directory", "pipe"])
def test_a_path_that_is_not_a_regular_file_is_refused(name, run_import, pytester):
    (pytester.path / "directory").mkdir()
    os.mkfifo(pytester.path / "pipe")
    imported = run_import(name)

    assert imported.ret == 2
    assert imported.err == f"zephyr: there is no file {name}. Nothing was imported.\n"


def test_a_file_without_tests_is_refused(write_file, run_import):
    path = write_file("a.xml", "<testsuites><testsuite/></testsuites>")
    imported = run_import(path)

    assert imported.ret == 2
    assert f"no tests in {path}. Were any run?" in imported.err


def test_without_defusedxml_the_message_names_the_extra(
    write_file, run_import, monkeypatch
):
    monkeypatch.setitem(sys.modules, "defusedxml", None)
    imported = run_import(write_file("a.xml", f"<testsuite>{TEST}</testsuite>"))

    assert imported.ret == 2
    assert "pip install 'pytest-zephyr[junit]'" in imported.err


#: For each encoding, a text that it can represent.
TEXTS = {
    "ISO-8859-1": "größe",
    "UTF-8": "größe \N{SNOWMAN}",
    "UTF-16": "größe \N{SNOWMAN}",
    "Shift_JIS": "テスト",
    "windows-1251": "тест",
}


@pytest.mark.parametrize("encoding", TEXTS)
def test_the_declared_encoding_is_used(encoding, write_file, run_import, target):
    failure = f"<failure>{TEXTS[encoding]}</failure>"
    text = (
        f'<?xml version="1.0" encoding="{encoding}"?><testsuite>'
        f'<testcase name="a" zephyr="101">{failure}</testcase></testsuite>'
    )
    run_import(write_file("a.xml", text.encode(encoding)), "--push")

    assert TEXTS[encoding] in target.execution(101).comment


@pytest.mark.parametrize(
    ("failure", "notes"),
    [
        (b"\x1b[31mred\x00", "\ufffd[31mred\ufffd"),
        (b"gr\xf6\xdfe", "gr\ufffd\ufffde"),
        (b"\xed\xa0\x80", "\ufffd"),
        ("\ufffe \u202e".encode(), "\ufffd"),
        (b"<b>bold</b> &lt;i&gt;", "bold &lt;i&gt;"),
    ],
    ids=["control characters", "bad byte", "surrogate", "noncharacter", "markup"],
)
def test_notes_have_the_valid_characters_of_a_failure(
    failure, notes, write_file, run_import, target
):
    """Others are replaced; of nested elements, only the text is kept."""
    content = b'<testsuite><testcase name="a" zephyr="101"><failure>%b</failure>'
    content += b"</testcase></testsuite>"
    imported = run_import(write_file("a.xml", content % failure), "--push")

    assert imported.ret == 0, imported.text
    assert notes in target.execution(101).comment


def test_thousands_of_tests_with_one_name_are_different_tests(
    write_file, run_import, target
):
    suites = "".join(
        f'<testsuite name="s{number}">{TEST * 3}</testsuite>' for number in range(1000)
    )
    failed = TEST.replace("/>", "><failure/></testcase>")
    path = write_file(
        "a.xml", f"<testsuites>{suites}<testsuite>{failed}</testsuite></testsuites>"
    )
    imported = run_import(path, "--push")

    assert imported.ret == 0, imported.text
    assert target.statuses()[101] == "2"
    assert target.execution(101).comment.startswith("failed: 1 of 3001 tests")


def test_long_names_and_impossible_numbers_are_accepted(write_file, run_import, target):
    tests = (
        f'<testcase name="{"a" * 10**6}" zephyr="101" time="1e400"/>'
        '<testcase zephyr="102" time="NaN"/><testcase name="" zephyr="103" time="-1"/>'
        '<testcase name="&#x202e;b" zephyr="104" time="1:30" line="?"/>'
    )
    attrs = 'timestamp="0000-99-99T99:99:99" tests="-1"'
    imported = run_import(
        write_file("a.xml", f"<testsuite {attrs}>{tests}</testsuite>"), "--push"
    )

    assert imported.ret == 0, imported.text
    assert {case: target.statuses()[case] for case in (101, 102, 103, 104)} == (
        dict.fromkeys((101, 102, 103, 104), "1")
    )


def test_nested_tests_have_results_of_their_own(write_file, run_import, target):
    """The namespace of the root makes no difference."""
    inner = '<testcase name="b" zephyr="102"><failure/></testcase>'
    outer = f'<testcase name="a" zephyr="101">{inner}</testcase>'
    run_import(
        write_file("a.xml", f"<t:testsuite xmlns:t='urn:t'>{outer}</t:testsuite>"),
        "--push",
    )

    assert target.statuses()[101] == "1"
    assert target.statuses()[102] == "2"
