"""`pytest-zephyr check`, `pytest-zephyr list`, and the help of the commands."""

from __future__ import annotations

from importlib.metadata import version
import itertools
import json
import re

import pytest

from pytest_zephyr.client.api import Client
from pytest_zephyr.errors import SettingsError
from pytest_zephyr.errors import ZephyrError
from pytest_zephyr.sandbox import Fault
from pytest_zephyr.target.find import find_target
from tests.client.servers import settings_for


#: Flags that name the places of the target, from the project to the phase.
NAMES = (
    "--zephyr-project=Payments",
    "--zephyr-release=name:1.0",
    "--zephyr-cycle=Nightly",
    "--zephyr-phase=Smoke",
)


@pytest.fixture
def call(pytester, target_variables, run_command, monkeypatch):
    """Return a function that calls the command and returns its exit code and output.

    The environment names the server and has the token, but names no phase.
    """
    monkeypatch.delenv("ZEPHYR_PHASE")

    def call(*args: object) -> tuple[int, str]:
        ran = run_command(*args)
        return ran.ret, ran.text

    return call


def read_table(text: str) -> dict[str, tuple[str, str]]:
    """Return the state and the text of each step in the table that `check` prints."""
    states = {}
    table, _, _ = text.partition("\n\n")
    for line in table.splitlines()[1:]:
        step, state, *rest = line.split(maxsplit=2)
        states[step] = (state, rest[0] if rest else "")
    return states


def test_each_step_says_what_was_found(call, target):
    code, printed = call("check", *NAMES)
    table = read_table(printed)

    assert code == 0
    assert table["address"] == ("ok", target.sandbox.url)
    assert table["TLS"] == (
        "warning", "not encrypted: anyone on the network path can read the credential"
    )  # fmt: skip
    assert table["credential"] == ("ok", "token from ZEPHYR_TOKEN")
    assert table["user"] == ("ok", f"Test Manager ({target.sandbox.store.user.id})")
    assert "Pass (1), Fail (2)" in table["statuses"][1]
    assert table["project"] == ("ok", f"Payments ({target.project})")
    assert table["release"] == ("ok", f"1.0 ({target.release})")
    assert table["cycle"] == ("ok", f"Nightly ({target.cycle})")
    assert table["phase"] == (
        "ok", f"Smoke ({target.phase}), free-form, has executions"
    )  # fmt: skip
    assert target.writes == []


def test_the_id_of_a_phase_is_enough(call, target):
    code, printed = call("check", f"--zephyr-phase={target.phase}")

    assert code == 0
    assert read_table(printed)["project"] == ("skipped", "")
    assert read_table(printed)["phase"][0] == "ok"


def test_a_place_that_may_be_created_is_ok(call, target):
    code, printed = call(
        "check", *NAMES[:2], "--zephyr-cycle=New", "--zephyr-phase=New",
        "--zephyr-create=cycle",
    )  # fmt: skip

    assert code == 0
    assert read_table(printed)["cycle"] == ("ok", "to be created")
    assert read_table(printed)["phase"] == ("ok", "to be created")
    assert target.writes == []


@pytest.mark.parametrize(
    ("args", "step", "message"),
    [
        (["--zephyr-project=Payment"], "project", "Did you mean 'Payments'?"),
        (["--zephyr-release=name:1"], "release", "is not a release of project"),
        (["--zephyr-cycle=Nightley"], "cycle", "Did you mean 'Nightly'?"),
        (["--zephyr-phase=Smok"], "phase", "Did you mean 'Smoke'?"),
        (
            ["--zephyr-status-map=error=Blockd"],
            "statuses",
            "'Blockd' for error (from --zephyr-status-map) is not a status",
        ),
    ],
    ids=["project", "release", "cycle", "phase", "status"],
)
def test_a_wrong_name_fails_its_step(call, args, step, message):
    code, text = call("check", *NAMES, *args)

    assert code == 1
    assert read_table(text)[step][0] == "FAIL"
    assert message in read_table(text)[step][1]


def test_a_wrong_cycle_fails_even_if_no_phase_is_set(call):
    code, text = call("check", NAMES[0], NAMES[1], "--zephyr-cycle=Nightley")

    assert code == 1
    assert read_table(text)["cycle"][0] == "FAIL"
    assert "Did you mean 'Nightly'?" in read_table(text)["cycle"][1]
    assert read_table(text)["phase"][0] == "skipped"


def test_the_places_above_an_unset_phase_are_checked(call, target):
    code, text = call("check", *NAMES[:3])

    assert code == 1
    assert read_table(text)["project"] == ("ok", f"Payments ({target.project})")
    assert read_table(text)["release"] == ("ok", f"1.0 ({target.release})")
    assert read_table(text)["cycle"] == ("ok", f"Nightly ({target.cycle})")
    state, message = read_table(text)["phase"]
    assert state == "FAIL"
    assert message.startswith("no phase. Set zephyr_phase")


#: For each bad answer: faults of the server (none if the test sets a wrong token), the
#: step that fails, and a part of its message.
BAD_ANSWERS = {
    "401": ([], "credential", "does not accept the token in ZEPHYR_TOKEN."),
    "403": (
        [Fault(path="/user/current", status=403)],
        "user",
        "Ask a Zephyr administrator",
    ),
    "web page": (
        [Fault(path="/user/current", kind="html", times=None)],
        "address",
        "a web page instead of JSON",
    ),
    "wrong path": (
        [Fault(path="/user/current", kind="missing", times=None)],
        "address",
        "404",
    ),
    "redirect": (
        [Fault(path="/user/current", kind="redirect", location="https://sso.example/")],
        "address",
        "a redirect to https://sso.example",
    ),
}


@pytest.mark.parametrize("name", BAD_ANSWERS)
def test_a_bad_answer_fails_the_step_it_is_about(call, target, monkeypatch, name):
    faults, step, message = BAD_ANSWERS[name]
    for fault in faults:
        target.sandbox.faults.add(fault)
    if name == "401":
        monkeypatch.setenv("ZEPHYR_TOKEN", "wrong")
    code, text = call("check", *NAMES)

    assert code == 1
    assert read_table(text)[step][0] == "FAIL"
    assert message in read_table(text)[step][1]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            ["--zephyr-url=http://127.0.0.1:9"],
            "connection refused. Nothing listens on port 9",
        ),
        (["--zephyr-url=http://no-such-host.invalid"], "cannot be resolved"),
        (
            ["--zephyr-url=http://zephyr.example", "--zephyr-proxy=http://127.0.0.1:9"],
            "no connection through the proxy http://127.0.0.1:9 (from --zephyr-proxy)",
        ),
    ],
    ids=["refused", "not resolved", "proxy"],
)
def test_an_address_without_an_answer_fails_with_the_reason(call, args, message):
    code, text = call("check", *NAMES, "--zephyr-retries=0", *args)

    assert code == 1
    assert read_table(text)["address"][0] == "FAIL"
    assert message in read_table(text)["address"][1]


def test_a_certificate_that_is_not_trusted_fails_tls(call, tls_sandbox):
    code, text = call("check", *NAMES, f"--zephyr-url={tls_sandbox.url}")

    assert code == 1
    assert read_table(text)["address"] == ("ok", tls_sandbox.url)
    assert read_table(text)["TLS"][0] == "FAIL"
    assert "set zephyr_verify to the path" in read_table(text)["TLS"][1]


def test_missing_settings_fail_their_step(call, monkeypatch):
    monkeypatch.delenv("ZEPHYR_TOKEN")
    code, text = call("check")
    assert code == 1
    state, message = read_table(text)["credential"]
    assert state == "FAIL"
    assert message.startswith("no credential. Set ZEPHYR_TOKEN")

    monkeypatch.delenv("ZEPHYR_URL")
    code, text = call("check")
    assert code == 1
    state, message = read_table(text)["address"]
    assert state == "FAIL"
    assert message.startswith("no server. Set zephyr_url")


def test_json_has_the_steps_and_the_problems(call, target):
    code, text = call("check", "--json", *NAMES, "--zephyr-phase=Smok")
    document = json.loads(text)
    states = {each["step"]: each["state"] for each in document["steps"]}

    assert code == 1
    assert document["url"] == target.sandbox.url
    assert document["target"]["phase"] == "Smok"
    assert document["counts"] == {"ok": 7, "warning": 1, "FAIL": 1}
    assert (states["cycle"], states["phase"]) == ("ok", "FAIL")
    (problem,) = document["problems"]
    assert (problem["code"], problem["step"]) == ("not-found", "phase")


@pytest.mark.parametrize("by", ["id", "name"])
def test_check_accepts_the_same_targets_as_a_run(call, target, by):
    """Every place is right, wrong or not set, in all combinations."""
    right = {
        "id": (target.project, target.release, target.cycle, target.phase),
        "name": ("Payments", "name:1.0", "Nightly", "Smoke"),
    }[by]
    wrong = {"id": (999,) * 4, "name": ("Nope",) * 4}[by]
    steps = ("project", "release", "cycle", "phase")
    for chosen in itertools.product((None, right, wrong), repeat=4):
        options = {
            step: str(values[position])
            for position, (step, values) in enumerate(zip(steps, chosen, strict=True))
            if values is not None
        }
        code, printed = call(
            "check", *(f"--zephyr-{k}={v}" for k, v in options.items())
        )
        settings = settings_for(target.sandbox.token, url=target.sandbox.url, **options)
        try:
            settings.require_push_settings()
            with Client(settings) as client:
                phase = find_target(client, settings).phase
            is_accepted = phase is not None and phase.id == target.phase
        except (SettingsError, ZephyrError):
            is_accepted = False

        expected = (0, False) if is_accepted else (1, True)
        assert (code, "FAIL" in printed) == expected, options


def test_statuses_that_cannot_be_read_are_a_warning(call, target):
    """The default statuses are used, and `check` says so."""
    target.sandbox.faults.add(Fault(path="/admin/preference", status=403, times=None))
    code, text = call("check", *NAMES)

    assert code == 0
    state, text = read_table(text)["statuses"]
    assert state == "warning"
    assert text == (
        "the list on the server cannot be read; the default ones are used: Pass (1), Fail (2),"
        " WIP (3), Blocked (4)"
    )


@pytest.mark.parametrize(
    ("args", "last"),
    [([], "no problems found"), (["--zephyr-phase=Smok"], "1 problem found")],
    ids=["no problem", "one problem"],
)
def test_the_problems_are_counted(call, args, last):
    assert call("check", *NAMES, *args)[1].splitlines()[-1] == last


def test_steps_after_a_failed_login_are_skipped(call, monkeypatch):
    monkeypatch.setenv("ZEPHYR_TOKEN", "wrong")
    table = read_table(call("check", *NAMES)[1])

    assert {step for step, (state, _) in table.items() if state == "skipped"} == {
        *("user", "statuses", "project", "release", "cycle", "phase")
    }


def test_an_invalid_value_is_a_usage_error(call):
    code, text = call("check", "--zephyr-timeout=soon")

    assert code == 2
    assert "'soon' (from --zephyr-timeout)" in text


# Lists


#: What can be listed, and the flags that each list needs.
LISTS = {
    "projects": [],
    "releases": NAMES[:1],
    "cycles": NAMES[:2],
    "phases": NAMES[:3],
    "statuses": [],
}


@pytest.mark.parametrize("kind", LISTS)
def test_names_and_ids_are_listed(call, target, kind):
    expected = {
        "projects": (target.project, "Payments"),
        "releases": (target.release, "1.0"),
        "cycles": (target.cycle, "Nightly"),
        "phases": (target.phase, "Smoke"),
        "statuses": (1, "Pass"),
    }[kind]
    code, text = call("list", kind, *LISTS[kind])
    headers, *listed = [line.split()[:2] for line in text.splitlines()]

    assert code == 0
    assert headers == ["ID", "NAME"]
    assert listed[0] == [str(expected[0]), expected[1]]

    code, text = call("list", kind, "--json", *LISTS[kind])

    assert code == 0
    assert (json.loads(text)[0]["id"], json.loads(text)[0]["name"]) in {
        expected, (str(expected[0]), expected[1])
    }  # fmt: skip


def test_lists_work_with_ids(call, target):
    for kind, flag, name in (
        ("cycles", f"--zephyr-release={target.release}", "Nightly"),
        ("phases", f"--zephyr-cycle={target.cycle}", "Smoke"),
        ("releases", f"--zephyr-project={target.project}", "1.0"),
    ):
        code, text = call("list", kind, flag)

        assert code == 0
        assert name in text


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["releases"], 2, "no project. Set zephyr_project"),
        (["phases", *NAMES[:2]], 2, "no cycle. Set zephyr_cycle"),
        (["releases", "--zephyr-project=Payment"], 1, "Did you mean 'Payments'?"),
        (["projects", "--zephyr-url=http://127.0.0.1:9"], 1, "no answer from"),
        (["things"], 2, "invalid choice"),
    ],
    ids=["no project", "no cycle", "typo", "unreachable", "no such list"],
)
def test_an_error_says_why_nothing_is_listed(call, args, code, message):
    exit_code, text = call("list", *args, "--zephyr-retries=0")

    assert exit_code == code
    assert message in text


def test_lists_show_which_statuses_are_inactive_and_which_phases_are_free_form(
    call, target
):
    target.sandbox.store.set_statuses([("1", "Pass", True), ("5", "Old", False)])
    target.sandbox.store.add_phase(target.cycle, "Other", free_form=False)
    _, statuses = call("list", "statuses")
    _, phases = call("list", "phases", *NAMES[:3])

    assert [line.split()[1:] for line in statuses.splitlines()[1:]] == [
        ["Pass"], ["Old", "inactive"]
    ]  # fmt: skip
    assert [line.split()[1:] for line in phases.splitlines()[1:]] == [
        ["Smoke", "free-form"], ["Other", "structured"]
    ]  # fmt: skip


def test_a_message_says_that_a_list_is_empty(call, target):
    release = target.sandbox.store.add_release(target.project, "2.0")
    code, text = call("list", "cycles", f"--zephyr-release={release}")

    assert code == 0
    assert text == f"no cycles in release '{release}' (from --zephyr-release)\n"


# The command itself


def test_a_bare_command_prints_help(call):
    code, text = call()

    assert code == 0
    assert "check     test address, login and target, step by step" in text


def test_the_version_is_printed(call):
    assert call("--version") == (0, f"pytest-zephyr {version('pytest-zephyr')}\n")


@pytest.mark.parametrize("name", ["sandbox", "journals"])
def test_sandbox_and_journals_take_only_one_option_of_the_plugin(call, name):
    _, text = call(name, "--help")

    assert set(re.findall(r"--zephyr-([\w-]+)", text)) == {"journal"}
