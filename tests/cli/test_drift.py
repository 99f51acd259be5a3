"""`pytest-zephyr drift`: differences between tests and test cases."""

from __future__ import annotations

import json

import pytest
import requests

from tests.conftest import SandboxTarget


SUITE = """
    import pytest

    @pytest.mark.zephyr(101)
    def test_planned(): pass

    @pytest.mark.zephyr(alt="AUTH-1")
    def test_alt(): pass

    @pytest.mark.zephyr(201)
    def test_elsewhere(): pass

    @pytest.mark.zephyr(999, alt="NO-1")
    @pytest.mark.parametrize("x", [1, 2])
    def test_unknown(x): pass

    @pytest.mark.parametrize("x", ["a,b", "c"])
    def test_unmapped(x): pass

    class TestCart:
        def test_pay(self): pass

    @pytest.mark.zephyr_ignore
    def test_ignored(): pass

    @pytest.mark.zephyr("nonsense")
    def test_invalid(): pass
"""


@pytest.fixture
def suite(pytester, target, target_variables):
    """Write `SUITE`, return its directory; 101 to 106 and AUTH-1 are in the phase.

    103 and 104 are marked as automated. 201 is only in the repository.
    """
    pytester.makepyfile(test_m=SUITE)
    target.schedule(110, alt="AUTH-1")
    target.sandbox.store.add_case(target.release, "Elsewhere", testcase_id=201)
    for case, script in ((103, "test_gone.py::test_x"), (104, "")):
        automate(target, case, script)
    return pytester.path


def automate(target: SandboxTarget, case: int, script: str) -> None:
    """Mark a test case as automated by *script*, as a person would do in Zephyr."""
    answer = requests.put(
        f"{target.sandbox.url}/flex/services/rest/v3/testcase",
        json={
            "testcase": {"testcaseId": case, "automated": True, "scriptName": script},
            "releaseId": target.release,
        },
        headers={"Authorization": f"Bearer {target.sandbox.token}"},
        timeout=30,
    )
    assert answer.ok, answer.text


def test_every_difference_is_listed(suite, target, run_command):
    """The command writes nothing to the server, and leaves no journal."""
    requests_before, writes_before = len(target.sandbox.requests), target.writes
    done = run_command("drift")

    assert done.out.splitlines() == [
        "phase id 4001: 7 test cases, 10 tests",
        "test cases of this phase without a test: 3",
        "  102  Test case 102",
        "  105  Test case 105",
        "  106  Test case 106",
        "test cases marked as automated whose test is gone: 2",
        "  103  Test case 103 (test_gone.py::test_x)",
        "  104  Test case 104",
        "tests without a test case: 3",
        "  test_m.py::test_unmapped[a,b]",
        "  test_m.py::test_unmapped[c]",
        "  test_m.py::TestCart::test_pay",
        "tests with an invalid marker: 1",
        "  test_m.py::test_invalid",
        "test cases that Zephyr does not know: 2",
        "  999  test_m.py::test_unknown[1]  and 1 more",
        "  'NO-1'  test_m.py::test_unknown[1]  and 1 more",
        "test cases with a test that are not in this phase: 1",
        "  201  Elsewhere  test_m.py::test_elsewhere",
    ]
    assert done.ret == 1
    assert target.writes == writes_before
    assert len(target.sandbox.requests) - requests_before < 8
    assert not (suite / ".zephyr").exists()


def test_json_and_markdown_have_the_differences(suite, run_command):
    as_json = json.loads(run_command("drift", "--json").out)
    lines = run_command("drift", "--markdown").out.splitlines()

    assert as_json["phase"] == "id 4001"
    assert as_json["drift"] is True
    assert (as_json["cases"], as_json["tests"]) == (7, 10)
    assert [each["case"] for each in as_json["untested"]] == [102, 105, 106]
    assert [each["case"] for each in as_json["gone"]] == [103, 104]
    assert as_json["unknown"][1] == {
        "case": "NO-1",
        "text": "",
        "tests": ["test_m.py::test_unknown[1]", "test_m.py::test_unknown[2]"],
    }
    assert lines[0] == "# Drift: phase `id 4001`: 7 test cases, 10 tests"
    assert "## tests without a test case: 3" in lines
    assert "- `201` `Elsewhere` `test_m.py::test_elsewhere`" in lines


def test_the_tests_are_selected_by_arguments_of_pytest(suite, run_command):
    """With the mapping file there is no drift, so the exit code is 0."""
    (suite / "map.csv").write_text("test_m.TestCart.*,102,103,104,105,106\n")
    selected = ("-k", "planned or alt or pay")
    done = run_command("drift", "--zephyr-map=map.csv", "--", *selected)

    assert done.ret == 0, done.text
    assert done.out == "phase id 4001: 7 test cases, 3 tests, no drift\n"
    assert run_command("drift", "--", *selected).ret == 1


def test_the_tests_are_taken_from_journals(suite, run_command, run_pytest):
    """Without names, only the latest run in the journal directory is read."""
    run_pytest("--zephyr", "--zephyr-push=never", "-k", "ignored")
    ran = run_pytest("--zephyr", "--zephyr-push=never", "-k", "planned or unmapped")

    by_directory = json.loads(run_command("drift", "--json", "--journals").out)
    by_name = json.loads(
        run_command("drift", "--json", "--journals", *ran.journals).out
    )

    for document in (by_directory, by_name):
        assert [each["tests"] for each in document["unmapped"]] == [
            ["test_m.py::test_unmapped[a,b]"],
            ["test_m.py::test_unmapped[c]"],
        ]
        assert len(document["untested"]) == 4
    assert (by_directory["tests"], by_name["tests"]) == (3, 4)


@pytest.mark.parametrize("name", ["new.csv", "new.json"])
def test_a_mapping_file_is_written_for_tests_without_a_test_case(
    suite, target, run_command, run_zephyr, name
):
    """The file can be used before each row has a test case, and is not overwritten."""
    done = run_command("drift", "--write-map", name)
    path = suite / name
    text = path.read_text(encoding="utf-8")

    assert done.ret == 1
    assert f"wrote {name} with 2 tests; add their test cases to it." in done.err
    if name == "new.csv":
        assert text == (
            "test,cases\ntest_m.py::test_unmapped[*],\ntest_m.py::TestCart::test_pay,\n"
        )
        path.write_text(text.replace("pay,", "pay,106"), encoding="utf-8")
    else:
        assert list(json.loads(text)) == [
            "test_m.py::test_unmapped[*]",
            "test_m.py::TestCart::test_pay",
        ]
        path.write_text(text.replace('pay": []', 'pay": 106'), encoding="utf-8")
    ran = run_zephyr("--zephyr-map", name)
    assert target.statuses()[106] == "1"
    assert (
        f"rows of {name} name no test case yet: line 2 'test_m.py::test_un" in ran.text
    )

    assert run_command("drift", "--write-map", name).ret == 2
    assert "TestCart" in path.read_text(encoding="utf-8")


def test_a_folder_is_compared_instead_of_the_phase(
    suite, target, run_command, monkeypatch
):
    monkeypatch.delenv("ZEPHYR_PHASE")
    store = target.sandbox.store
    store.add_case(target.release, "Unscheduled", testcase_id=301)
    release = f"--zephyr-release={target.release}"
    repository = json.loads(run_command("drift", "--json", "--folder=/", release).out)
    root_folder = requests.get(
        f"{target.sandbox.url}/flex/services/rest/v3/testcasetree/phases/{target.release}",
        headers={"Authorization": f"Bearer {target.sandbox.token}"},
        timeout=30,
    ).json()[0]["name"]
    flag = f"--folder={root_folder}"
    folder = json.loads(run_command("drift", "--json", flag, release).out)

    for document in (repository, folder):
        assert 301 in [each["case"] for each in document["untested"]]
        assert document["elsewhere"] == []
        assert document["cases"] == 9
    missing = run_command("drift", "--folder=Nowhere", release)
    assert missing.ret == 2
    assert "there is no folder 'Nowhere' in this release." in missing.err


def test_tests_with_a_created_test_case_are_not_unmapped(
    suite, target, run_command, run_zephyr, monkeypatch
):
    """The test case is found by its script, which the run that created it has set."""
    monkeypatch.setenv("ZEPHYR_UNMAPPED", "create")
    monkeypatch.setenv("ZEPHYR_CREATE", "execution")
    monkeypatch.setenv("ZEPHYR_RELEASE", str(target.release))
    before = json.loads(run_command("drift", "--json").out)
    run_zephyr("-k", "unmapped")
    after = json.loads(run_command("drift", "--json").out)

    assert len(before["unmapped"]) == 3
    assert [each["tests"] for each in after["unmapped"]] == [
        ["test_m.py::TestCart::test_pay"]
    ]
    assert len(after["gone"]) == 2


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--journals", "--", "tests"], "either --journals or arguments for pytest"),
        (["--journals", "gone.jsonl"], "gone.jsonl"),
        (["--journals", "."], "there are no journals in ."),
        (["--write-map", "test_m.py"], "test_m.py exists (--write-map); name a new"),
        (["--write-map", "no/new.csv"], "new.csv cannot be written: No such file"),
        (["--folder=/"], "no release. Set zephyr_release"),
        (["--zephyr-phase=77"], "'77' (from --zephyr-phase) cannot be read: http"),
        (["--", "gone.py"], "pytest could not collect the tests (exit code 4)"),
        (
            ["--zephyr-map=test_m.py"],
            "pytest could not collect the tests (exit code 4)",
        ),
    ],
    ids=[
        "two sources", "no journal", "no journals", "existing map", "no directory",
        "no release", "no phase", "no test file", "invalid map",
    ],
)  # fmt: skip
def test_drift_exits_with_two_if_nothing_was_compared(
    suite, run_command, args, message
):
    done = run_command("drift", *args)

    assert done.ret == 2, done.text
    assert message in done.err


def test_errors_of_the_collection_are_shown(suite, pytester, run_command):
    pytester.makepyfile(test_broken="import nonsense")
    done = run_command("drift")

    assert done.ret == 2
    assert "No module named 'nonsense'" in done.err
    assert "pytest could not collect the tests (exit code 2)" in done.err


def test_five_thousand_test_cases_take_fewer_than_20_requests(
    suite, target, run_command
):
    store = target.sandbox.store
    store.schedule_all(target.phase, range(10_000, 15_000), [])
    requests_before = len(target.sandbox.requests)
    done = run_command("drift", "--", "-k", "planned")

    assert "phase id 4001: 5007 test cases, 1 test" in done.out
    assert len(target.sandbox.requests) - requests_before < 20


def test_a_phase_that_does_not_exist_has_no_test_cases(suite, run_command, monkeypatch):
    for name, value in (
        ("PROJECT", "Payments"),
        ("RELEASE", "name:1.0"),
        ("CYCLE", "Nightly"),
        ("PHASE", "New"),
        ("CREATE", "phase"),
    ):
        monkeypatch.setenv(f"ZEPHYR_{name}", value)
    done = run_command("drift", "--", "-k", "planned")

    assert done.out.splitlines() == [
        (
            "phase Payments > 1.0 > Nightly > New, which does not exist yet: 0 test"
            " cases, 1 test"
        ),
        "test cases with a test that are not in this phase: 1",
        "  101  Test case 101  test_m.py::test_planned",
    ]


def test_drift_finds_the_differences_of_the_example(pytester, run_pytest, run_command):
    pytester.copy_example("drift")
    run_pytest("--zephyr", "--zephyr-url=sandbox")
    done = run_command("drift", "--zephyr-url=sandbox", "--", "-k", "not stock")

    assert done.out.splitlines() == [
        "phase Sandbox > Release 1 > Cycle 1 > Phase 1: 2 test cases, 3 tests",
        "test cases of this phase without a test: 1",
        "  802  Test case 802",
        "tests without a test case: 2",
        "  test_shop.py::test_price[$]",
        "  test_shop.py::test_price[\\u20ac]",
    ]
    run_command("drift", "--zephyr-url=sandbox", "--write-map=map.csv")
    assert "test_shop.py::test_price[*],\n" in (pytester.path / "map.csv").read_text()
