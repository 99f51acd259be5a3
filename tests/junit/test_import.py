"""`pytest-zephyr import`: journals, test cases, outcomes, attachments and times."""

from __future__ import annotations

import json
import os
import time

import pytest

from pytest_zephyr.sandbox import Fault


def suite(*content: str, attrs: str = "") -> str:
    return f'<testsuite name="s" {attrs}>{"".join(content)}</testsuite>'


def xml_test(name: str, zephyr: object = "", body: str = "", attrs: str = "") -> str:
    zephyr = f'zephyr="{zephyr}"' if zephyr else ""
    return f'<testcase classname="C" name="{name}" {zephyr} {attrs}>{body}</testcase>'


def output_with_attachments(*names: str) -> str:
    lines = "\n".join(f"[[ATTACHMENT|{name}]]" for name in names)
    return f"<system-out>before\n{lines}\nafter</system-out>"


def journals(pytester):
    return sorted((pytester.path / ".zephyr").glob("*.jsonl"))


def attached(target, test_case):
    """Return the content of the attachments of a test case by their names."""
    store, names = target.sandbox.store, target.execution(test_case).attachments
    return {
        name: b"".join(store.attachment_bytes(target.phase, test_case, name))
        for name, _, _ in names
    }


# Journals


def test_a_journal_is_written_and_push_sends_it(
    write_file, run_import, run_command, run_shown_command, target
):
    imported = run_import(write_file("a.xml", suite(xml_test("a", 101), xml_test("b"))))

    assert imported.ret == 0
    assert ": 2 tests, 1 without a test case\n" in imported.out
    assert target.writes == []
    assert run_shown_command(imported.out).ret == 0
    assert target.statuses()[101] == "1"


def test_the_same_results_are_imported_once(write_file, run_import, pytester, target):
    path = write_file("a.xml", suite(xml_test("a", 101, "<failure/>")))
    copy = write_file("b.xml", path.read_text(encoding="utf-8"))
    first, again, other = (run_import(each, "--push") for each in (path, path, copy))

    assert (first.ret, again.ret, other.ret) == (0, 0, 0)
    assert ": 1 test\n" in first.out
    assert "has the same results" in again.out
    assert "has the same results" in other.out
    assert len(journals(pytester)) == 1
    assert target.execution(101).result_count == 1


def test_the_same_results_in_another_journal_directory_are_not_sent_again(
    write_file, run_import, target
):
    """There are no receipts in it, but the server has the same date and status."""
    path = write_file("a.xml", suite(xml_test("a", 101, "<failure/>")))
    run_import(path, "--push")
    again = run_import(path, "--push", "--zephyr-journal=other")

    assert again.ret == 0
    assert target.execution(101).result_count == 1


def test_a_later_attempt_of_the_same_job_counts(write_file, run_import, target):
    """The last attempt of a job counts, as in runs of pytest."""
    key = "--zephyr-run-key=7"
    begin = 'timestamp="2024-11-26T10:00:0{}Z"'
    write_file("a.xml", suite(xml_test("a", 101, "<failure/>"), attrs=begin.format(0)))
    run_import("a.xml", key)
    write_file("a.xml", suite(xml_test("a", 101), attrs=begin.format(5)))
    run_import("a.xml", key, "--push")

    assert target.statuses()[101] == "1"
    assert "after 2 attempts" in target.execution(101).comment


def test_the_worst_of_a_pytest_job_and_an_imported_job_counts(
    pytester, write_file, run_import, run_zephyr, run_command, target
):
    pytester.makepyfile("import pytest\n@pytest.mark.zephyr(101)\ndef test_a(): pass\n")
    run_zephyr("--zephyr-run-key=7", "--zephyr-push=never")
    run_import(
        write_file("a.xml", suite(xml_test("a", 101, "<failure/>"))),
        "--zephyr-run-key=7",
    )

    assert run_command("push").ret == 0
    assert target.statuses()[101] == "2"
    assert "1 of 2 tests" in target.execution(101).comment


def test_an_old_xml_file_does_not_replace_a_newer_result(
    write_file, run_import, target
):
    old_file = suite(
        xml_test("a", 101, "<failure/>"), attrs='timestamp="2020-01-01T00:00:00Z"'
    )
    run_import(write_file("new.xml", suite(xml_test("a", 101))), "--push")
    pushed = run_import(write_file("old.xml", old_file), "--push")

    assert target.statuses()[101] == "1"
    assert "--force" in pushed.out


def test_several_files_are_one_run(write_file, run_import, target):
    """Tests with the same name are different tests; the worst of them decides."""
    names = ("chrome.xml", "firefox.xml", "safari.xml")
    files = [
        write_file(name, suite(xml_test("a", 101, "<failure/>" if number == 1 else "")))
        for number, name in enumerate(names)
    ]
    run_import(*files, "--push")

    assert target.statuses()[101] == "2"
    assert "failed C.a (2) (0.00 s)" in target.execution(101).comment
    assert "1 of 3 tests" in target.execution(101).comment


def test_an_import_that_fails_leaves_no_journal(
    write_file, run_import, pytester, target
):
    good = write_file("good.xml", suite(xml_test("a", 101)))
    bad = write_file("bad.xml", suite(xml_test("a", 102))[:-12])
    imported = run_import(good, bad)

    assert imported.ret == 2
    assert imported.err == (
        f"zephyr: {bad}, line 1: the file ends inside <testsuite>. Run its tests again."
        " Nothing was imported.\n"
    )
    assert [path.name for path in (pytester.path / ".zephyr").iterdir()] == [
        ".gitignore"
    ]


def test_push_needs_a_server_before_anything_is_written(
    write_file, run_import, pytester, monkeypatch, target
):
    monkeypatch.delenv("ZEPHYR_URL")
    imported = run_import(write_file("a.xml", suite(xml_test("a", 101))), "--push")

    assert imported.ret == 2
    assert "no server" in imported.err
    assert journals(pytester) == []


def test_a_result_that_could_not_be_sent_is_sent_by_the_next_push(
    write_file, run_import, run_command, target
):
    target.sandbox.faults.add(Fault(kind="status", status=403, times=None))
    imported = run_import(write_file("a.xml", suite(xml_test("a", 101))), "--push")

    assert imported.ret == 1
    target.sandbox.faults.clear()
    assert run_command("push").ret == 0
    assert target.statuses()[101] == "1"


# Test cases


@pytest.mark.parametrize(
    "test",
    [
        xml_test("a", "TC-101, 102"),
        xml_test("a", body='<properties><property name="zephyr" value="TC-101;102"/></properties>'),
        xml_test("a", body='<properties><property name="Zephyr">101,\n102</property></properties>'),
        xml_test(
            "a",
            body='<properties><property name="zephyr" value="101"/>'
            '<property name="zephyr" value="102"/></properties>',
        ),
        xml_test("a TC-101 TC-102"),
        xml_test("a", attrs='class="TC-101 TC-102"').replace('classname="C"', ""),
    ],
    ids=["attribute", "property", "text of a property", "properties", "name", "class"],
)  # fmt: skip
def test_ids_of_test_cases_are_found(test, write_file, run_import, target):
    run_import(
        write_file("a.xml", suite(test)), r"--zephyr-id-pattern=TC-\d+", "--push"
    )

    reported = {case for case, status in target.statuses().items() if status}
    assert reported == {101, 102}


def test_alt_ids_are_found(write_file, run_import, target):
    target.schedule(110, alt="AUTH-1")
    target.schedule(111, alt="AUTH-2")
    path = write_file(
        "a.xml", suite(xml_test("a", "alt:AUTH-1"), xml_test("logs out alt:AUTH-2"))
    )
    run_import(path, r"--zephyr-id-pattern=alt:\S+", "--push")

    assert target.statuses()[110] == "1"
    assert target.statuses()[111] == "1"


def test_an_attribute_overrides_the_map_and_the_map_overrides_the_name(
    write_file, run_import, target
):
    write_file("map.csv", "C.TC-103 *,101\nC.b,102\nC.c,102\n")
    tests = xml_test("TC-103 a"), xml_test("b", 104), xml_test("TC-105 d")
    imported = run_import(
        write_file("a.xml", suite(*tests)),
        r"--zephyr-id-pattern=TC-\d+", "--zephyr-map=map.csv", "--push",
    )  # fmt: skip

    reported = {case for case, status in target.statuses().items() if status}
    assert reported == {101, 104, 105}
    assert (
        "rows of map.csv match no test, or only tests with a marker: line 2"
        in imported.text
    )


def test_node_ids_in_the_map_match_xml_of_pytest(write_file, run_import, target):
    write_file("map.csv", "tests/test_cart.py::TestCart::test_a,101\n")
    test = '<testcase classname="tests.test_cart.TestCart" name="test_a"/>'
    run_import(write_file("a.xml", suite(test)), "--zephyr-map=map.csv", "--push")

    assert target.statuses()[101] == "1"


def test_an_invalid_id_is_reported_and_other_results_are_sent(
    write_file, run_import, target
):
    path = write_file(
        "a.xml", suite("\n", xml_test("a", "SHOP-T7"), xml_test("b", 101))
    )
    imported = run_import(path, "--push")

    assert imported.ret == 1
    assert f"{path}, line 2: 'SHOP-T7' is not a test case" in imported.err
    assert "(C.a)" in imported.err
    assert target.statuses()[101] == "1"


def test_an_invalid_pattern_is_a_usage_error(write_file, run_import):
    imported = run_import(
        write_file("a.xml", suite(xml_test("a"))), "--zephyr-id-pattern=("
    )

    assert imported.ret == 2
    assert "argument --zephyr-id-pattern: '('" in imported.err


def test_test_cases_are_created_for_tests_without_one(
    write_file, run_import, target, monkeypatch
):
    """An import of the same file creates no more of them."""
    monkeypatch.setenv("ZEPHYR_RELEASE", str(target.release))
    path = write_file("a.xml", suite(xml_test("pays"), xml_test("ships")))
    imported = run_import(
        path, "--zephyr-unmapped=create", "--zephyr-create=execution", "--push"
    )

    assert imported.ret == 0
    statuses = target.statuses()
    assert [statuses[case] for case in sorted(statuses)[-2:]] == ["1", "1"]
    run_import(path, "--push", "--zephyr-unmapped=create", "--zephyr-create=execution")
    assert len(target.statuses()) == len(statuses)


# Outcomes


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("passed", "1"), ("run", "1"), ("Success", "1"), ("FAILED", "2"),
        ("Failure", "2"), ("error", "2"), ("broken", "2"), ("Aborted", "2"),
        ("timeout", "2"), ("Inconclusive", None), ("not_run", None),
        ("not run", None), ("skipped", None),
    ],
)  # fmt: skip
def test_an_attribute_says_how_a_test_ended(
    status, expected, write_file, run_import, target
):
    """Some tools write `status` or `result` instead of an element."""
    tests = (
        xml_test("a", 101, attrs=f'status="{status}"'),
        xml_test("b", 102, attrs=f'result="{status}"'),
    )
    imported = run_import(write_file("a.xml", suite(*tests)), "--push")

    assert imported.ret == 0, imported.text
    assert target.statuses()[101] == expected
    assert target.statuses()[102] == expected


def test_names_of_failure_elements_may_be_in_any_case(write_file, run_import, target):
    write_file("a.xml", suite(xml_test("a", 101, "<FlakyFailure/><Failure/>")))
    run_import("a.xml", "--push")

    assert target.statuses()[101] == "2"
    assert "after 2 attempts" in target.execution(101).comment


# Suites


SUITE_FAILURE = '<failure message="no database">after all tests</failure>'


@pytest.mark.parametrize(
    "attrs",
    ['zephyr="102"', 'timestamp="2024-11-26T10:00:00Z" time="9" zephyr="102"'],
    ids=["attribute", "times"],
)
def test_a_suite_that_fails_outside_of_its_tests_is_a_result(
    attrs, write_file, run_import, target
):
    path = write_file("a.xml", suite(xml_test("a", 101), SUITE_FAILURE, attrs=attrs))
    imported = run_import(path, "--push")

    assert imported.ret == 0, imported.text
    assert target.statuses()[101] == "1"
    assert target.statuses()[102] == "2"
    assert target.execution(102).comment.startswith("failed s (0.00 s)")
    assert "no database\nafter all tests" in target.execution(102).comment


def test_the_test_case_of_a_suite_is_found_by_map_and_by_name(
    write_file, run_import, target
):
    write_file("map.csv", "mapped,101\n")
    suites = (
        suite(SUITE_FAILURE).replace('"s"', f'"{name}"')
        for name in ("mapped", "TC-102")
    )
    path = write_file("a.xml", f"<testsuites>{''.join(suites)}</testsuites>")
    run_import(path, "--zephyr-map=map.csv", r"--zephyr-id-pattern=TC-\d+", "--push")

    assert target.statuses()[101] == "2"
    assert target.statuses()[102] == "2"


def test_a_failed_suite_without_a_test_case_is_a_problem(
    write_file, run_import, target
):
    path = write_file(
        "a.xml", suite("\n", xml_test("a", 101), "<skipped/>", SUITE_FAILURE)
    )
    imported = run_import(path, "--push")

    assert imported.ret == 1
    assert imported.err == (
        f"zephyr: {path}, line 1: the suite s failed outside of its tests, and names no"
        " test case: no database. Map its name to a test case in the file of --zephyr-map.\n"
    )
    assert target.statuses()[101] == "1"


# Attachments and output


def test_attachments_beside_the_xml_file_are_sent(write_file, run_import, target):
    """Paths may begin in a directory above the XML file, or have backslashes."""
    names = ("a.txt", "shots/b.txt", "shots/c.txt", "d e.txt")
    for name in names:
        write_file(f"build/{name}", name)
    body = output_with_attachments(
        "a.txt", "build/shots/b.txt", "C:\\work\\build\\shots\\c.txt",
        'd e.txt|{"name": "{x}"}',
    )  # fmt: skip
    path = write_file("build/a.xml", suite(xml_test("a", 101, body)))
    imported = run_import(path, "--push")

    assert imported.ret == 0, imported.text
    assert attached(target, 101) == {
        "a.txt": b"a.txt", "b.txt": b"shots/b.txt", "c.txt": b"shots/c.txt",
        "d e.txt": b"d e.txt",
    }  # fmt: skip


def test_no_other_file_of_the_machine_is_sent(write_file, run_import, pytester, target):
    """The XML file may have been written by an attacker."""
    secret = write_file("secret.txt", "s3cret")
    for hidden in ("build/.env", "build/.git/config"):
        write_file(hidden, "s3cret")
    build = pytester.path / "build"
    (build / "link.txt").symlink_to(secret)
    (build / "up").symlink_to(pytester.path)
    os.mkfifo(build / "pipe")
    names = (
        "/etc/passwd", "../secret.txt", str(secret), "link.txt", "up/secret.txt", ".env",
        ".git/config", "pipe", "missing.txt", ".", "..", "/", "%00",
        "a" * 3000,
    )  # fmt: skip
    imported = run_import(
        write_file(
            "build/a.xml", suite(xml_test("a", 101, output_with_attachments(*names)))
        ),
        "--push",
    )

    assert imported.ret == 1
    assert attached(target, 101) == {}
    assert "no file /etc/passwd below" in target.execution(101).comment
    assert target.statuses()[101] == "1"


@pytest.mark.parametrize(
    ("capture", "cases"),
    [("none", set()), ("failed", {101}), ("all", {101, 102})],
    ids=["none", "failed", "all"],
)
def test_capture_decides_whose_output_is_attached(
    capture, cases, write_file, run_import, target
):
    tests = (
        xml_test(
            "a", 101, "<system-out>one</system-out><system-err>two</system-err><error/>"
        ),
        xml_test("b", 102, "<system-out>three</system-out>"),
    )
    run_import(
        write_file("a.xml", suite(*tests)), f"--zephyr-capture={capture}", "--push"
    )

    with_output = {case for case in (101, 102) if attached(target, case)}
    assert with_output == cases
    if 101 in cases:
        text = attached(target, 101)["output.txt"].decode()
        assert [line.strip("- ") for line in text.split("\n") if line] == [
            "system-out", "one", "system-err", "two"
        ]  # fmt: skip


def test_too_large_output_is_left_out(write_file, run_import, target):
    body = f"<system-out>{'x' * 5000}\n[[ATTACHMENT|a.txt]]\n{'x' * 5000}</system-out>"
    write_file("a.txt", "here")
    path = write_file("a.xml", suite(xml_test("a", 101, body)))
    imported = run_import(
        path, "--zephyr-capture=all", "--zephyr-attach-max-size=1K", "--push"
    )

    assert attached(target, 101) == {"a.txt": b"here"}
    assert "output.txt is left out (C.a): 9.9K, larger than" in imported.text


def test_a_credential_in_an_xml_file_is_hidden(
    write_file, run_import, pytester, target
):
    token = target.sandbox.token
    body = (
        f"<failure message='{token}'>{token}</failure><system-out>{token}</system-out>"
    )
    run_import(
        write_file("a.xml", suite(xml_test(token, 101, body))), "--zephyr-capture=all"
    )

    written = b"".join(
        path.read_bytes()
        for path in (pytester.path / ".zephyr").rglob("*")
        if path.is_file()
    )
    assert token.encode() not in written
    assert b"<hidden>" in written


# Times


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-11-26T10:00:00Z", 1732615200000),
        ("2024-11-26T10:00:00.123456789+02:00", 1732608000000),
        ("2024-11-26 10:00:00,5 UTC", 1732615200000),
        ("2024-11-26T08:00:00-0130", 1732613400000),
        ("2024-11-26T10:00:00", 1732615200000),
        ("1970-01-01T01:00:00.000", 1732615260000),
        ("9999-12-31T23:59:59", 1732615260000),
        ("yesterday", 1732615260000),
        ("", 1732615260000),
    ],
)
def test_a_test_has_the_time_of_its_suite(
    text, expected, write_file, run_import, pytester
):
    """The time of the file counts if the suite has none, a later one or one in 1970."""
    path = write_file("a.xml", suite(xml_test("a", 101), attrs=f'timestamp="{text}"'))
    os.utime(path, (1732615260, 1732615260))
    run_import(path)
    lines = map(json.loads, journals(pytester)[0].read_text("ascii").splitlines())

    assert {line["at"] for line in lines if "at" in line} == {expected}


def test_a_test_of_a_suite_begins_when_the_one_before_it_ends(
    write_file, run_import, pytester
):
    """A nested suite begins with the suite around it."""
    tests = xml_test("a", attrs='time="1.5"'), xml_test("b", attrs='time="0,25"')
    inner_suite = suite(xml_test("c", attrs='time="1e-3"'))
    begin = 'timestamp="2024-11-26T10:00:00Z"'
    run_import(write_file("a.xml", suite(*tests, inner_suite, attrs=begin)))
    lines = map(json.loads, journals(pytester)[0].read_text("ascii").splitlines())

    ends = {
        line["nodeid"]: (line["at"] - 1732615200000, line["duration"])
        for line in lines
        if "duration" in line
    }
    assert ends == {"C.a": (1500, 1500000), "C.b": (1750, 250000), "C.c": (1, 1000)}


@pytest.mark.parametrize("zone", ["EST5", "JST-9", "UTC0"])
@pytest.mark.parametrize("written_as", ["local", "UTC"])
def test_a_time_without_a_zone_is_local_or_utc(
    zone, written_as, write_file, run_import, pytester, monkeypatch
):
    """Older versions of pytest write local time, and Jest writes UTC."""
    ended = 1732615200
    with monkeypatch.context() as patch:
        patch.setenv("TZ", zone)
        time.tzset()
        to_fields = time.localtime if written_as == "local" else time.gmtime
        text = time.strftime("%Y-%m-%dT%H:%M:%S", to_fields(ended))
        path = write_file(
            "a.xml", suite(xml_test("a", 101), attrs=f'timestamp="{text}"')
        )
        os.utime(path, (ended + 60, ended + 60))
        run_import(path)
    time.tzset()
    lines = map(json.loads, journals(pytester)[0].read_text("ascii").splitlines())

    assert {line["at"] for line in lines if "at" in line} == {ended * 1000}
