"""Tables and sections of the reference, as Markdown, from the code of the plugin."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import fields
from dataclasses import MISSING
import json
from pathlib import Path
import re
from typing import Any

from pytest_zephyr import table
from pytest_zephyr.config import ci
from pytest_zephyr.config import job
from pytest_zephyr.config import map_file
from pytest_zephyr.config.options import Option
from pytest_zephyr.config.options import OPTIONS
from pytest_zephyr.config.placeholders import PLACEHOLDERS
from pytest_zephyr.journal import format as journal_format
from pytest_zephyr.results.jobs import Job
from pytest_zephyr.results.records import NewCase
from pytest_zephyr.results.records import Outcome
from pytest_zephyr.results.status import DEFAULT_MAP
from pytest_zephyr.results.status import NO_STATUS
from pytest_zephyr.results.status import STOCK
from pytest_zephyr.sandbox.faults import EFFECTS
from pytest_zephyr.sandbox.faults import Fault


_SCHEMA = Path(__file__).parents[1] / "report.schema.json"


def _rows(header: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """Yield the lines of a table."""
    header = list(header)
    yield ""
    for row in (header, ["---"] * len(header), *rows):
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
    yield ""


def _code(values: Iterable[object]) -> str:
    return ", ".join(f"`{value}`" for value in values)


# Options


def options() -> Iterator[str]:
    """Yield a table of all options."""
    return _rows(
        ("Option", "Meaning"),
        ((_link(option), option.help) for option in OPTIONS),
    )


def _link(option: Option) -> str:
    if option.has_flag:
        return f"{{option}}`{option.flag_name}`"
    return f"{{confval}}`{option.ini_name}`"


def refused() -> Iterator[str]:
    """Yield the flags and ini keys that are recognised only to be rejected."""
    names = table.REFUSED_OPTIONS
    yield f"{_code(map(table.flag_of, names))}, {_code(map(table.ini_of, names))}"


# Outcomes

_EVENTS: Mapping[Outcome, str] = {
    Outcome.PASSED: "The test passed.",
    Outcome.FAILED: "It failed in the call, a subtest failed, or it passed although"
    " `xfail(strict=True)` says that it fails.",
    Outcome.ERROR: "Its setup or its teardown failed.",
    Outcome.CRASHED: "The worker or the process died while it ran.",
    Outcome.XFAILED: "It failed as its `xfail` marker says.",
    Outcome.XPASSED: "It passed although its `xfail` marker, which is not strict, says"
    " that it fails.",
    Outcome.SKIPPED: "It was skipped, by a marker, in a fixture or in the test.",
    Outcome.UNRUN: "It was selected and never ran: after `-x`, `--maxfail`, Ctrl-C or a"
    " kill.",
}


def outcomes() -> Iterator[str]:
    """Yield a table of outcomes with their default status."""
    names = {status.id: f"{status.name} ({status.id})" for status in STOCK}
    return _rows(
        ("What happened in pytest", "Outcome", "Default status"),
        (
            (
                _EVENTS[outcome],
                f"`{outcome.value}`",
                "`-`, nothing is sent" if status == NO_STATUS else names[status],
            )
            for outcome, status in DEFAULT_MAP.items()
        ),
    )


def statuses() -> Iterator[str]:
    """Yield a table of the statuses that a new server has."""
    return _rows(("Id", "Name"), ((f"`{each.id}`", each.name) for each in STOCK))


# CI services

#: The beginnings of variables, and the services that set them.
_SERVICES: Mapping[str, str] = {
    "GITHUB_": "GitHub Actions",
    "CI_": "GitLab CI",
    "BUILD_BUILD": "Azure Pipelines",
    "BUILD_SOURCE": "Azure Pipelines",
    "SYSTEM_": "Azure Pipelines",
    "BITBUCKET_": "Bitbucket Pipelines",
    "CIRCLE_": "CircleCI",
    "BUILDKITE_": "Buildkite",
    "BUILD_TAG": "Jenkins",
    "BUILD_URL": "Jenkins",
    "BRANCH_NAME": "Jenkins",
    "GIT_": "Jenkins",
    "WORKSPACE": "Jenkins",
    "TEAMCITY_": "TeamCity",
    "BUILD_VCS_NUMBER": "TeamCity",
    "BUILD_NUMBER": "Jenkins and TeamCity",
}


def _services(variable: str) -> list[str]:
    (name,) = (name for start, name in _SERVICES.items() if variable.startswith(start))
    return name.split(" and ")


def ci_variables() -> Iterator[str]:
    """Yield a table for each service with the variables that are read."""
    facts: dict[str, dict[str, list[str]]] = {}

    def add(fact: str, *variables: str, of: str = "") -> None:
        for service in _services(of or variables[0]):
            known = facts.setdefault(service, {}).setdefault(fact, [])
            known += [each for each in variables if each not in known]

    titles: tuple[tuple[ci.Fact, str], ...] = (
        ("run_key", "Run key"),
        ("build", "Build, for `{build}` and cycles that are created"),
        ("branch", "Branch, for `{branch}`"),
        ("commit", "Commit, for `{commit}` and the notes"),
        ("job_url", "Page of the job, for the notes"),
        (
            "checkout",
            "Directory of the source code, to recognise a job that runs in another directory",
        ),
        ("attempt", "Attempt of the job"),
    )
    for fact, title in titles:
        for name in ci._VARIABLES[fact].split():
            add(title, name)
        if fact == "run_key":
            add(title, "BUILD_NUMBER", of="TEAMCITY_")
        if fact == "job_url":
            for base, path in ci._RUN_PAGES:
                add(title, base, *re.findall(r"{(\w+)}", path), of=base)
    add("Attempt of the job", "CI_JOB_NAME")
    add("Summary of the job and annotations", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY")
    for service, rows in facts.items():
        yield f"### {service}"
        yield from _rows(
            ("Read for", "Variables"),
            ((fact, _code(names)) for fact, names in rows.items()),
        )


def ignored_variables() -> Iterator[str]:
    """Yield the variables that do not identify the job of a session."""
    yield f"{_code(sorted(job._CHANGING_NAMES.split()))}, and those of all options."


_PLACEHOLDER_VALUES: Mapping[str, str] = {
    "date": "The day, as 2026-11-26",
    "time": "The time, as 14-08",
    "build": "{option}`--zephyr-build`, or the build of the CI service",
    "branch": "The branch that the CI service names",
    "commit": "The commit that the CI service names",
    "run": "{option}`--zephyr-run-key`, or the run of the CI service",
    "env:NAME": "The variable NAME; not one of those that hold a credential",
}


def placeholders() -> Iterator[str]:
    """Yield a table of the placeholders in names."""
    return _rows(
        ("Placeholder", "Filled with"),
        ((f"`{{{name}}}`", _PLACEHOLDER_VALUES[name]) for name in PLACEHOLDERS),
    )


# Files

_TYPE_NAMES: Mapping[str, str] = {
    "str": "text",
    "int": "number",
    "bool": "true or false",
    "FieldValue": "text, number, or true or false",
    "CaseRef": "test case",
    "tuple[str, ...]": "list of texts",
    "tuple[CaseRef, ...]": "list of test cases",
    "tuple[tuple[str, FieldValue], ...]": "list of pairs of a name and a value",
    "tuple[AttachmentKey, ...]": "list of objects: `execution`, `name` and `digest`",
    "Mapping[str, str]": "object of texts",
    "Mapping[int, str]": "list of pairs of a number and a text",
    "Mapping[AttachmentKey, Naming]": "list of pairs of two objects: `execution`, `name`"
    " and `digest`; and `name` in Zephyr and `before`",
    "Job | None": "object, see [job](#journal-job)",
    "NewCase | None": "object, see [new](#journal-new)",
    "str | int": "text or number",
}


def journal_lines() -> Iterator[str]:
    """Yield a section for each kind of line of a journal."""
    kinds: dict[str, Any] = {
        "header": journal_format.Header,
        **journal_format._ENTRY_TYPES,
        **journal_format._EVIDENCE_TYPES,
    }
    for kind, entry in kinds.items():
        yield from _section(kind, entry, f"`{kind}`")
    yield from _section("job", Job, "`job` of a header")
    yield from _section("new", NewCase, "`new` of an item")


def _section(name: str, entry: Any, title: str) -> Iterator[str]:
    yield f"(journal-{name.replace('_', '-')})="
    yield f"### {title}"
    yield ""
    doc = str(entry.__doc__)
    # A dataclass without a docstring gets its signature as one.
    if not doc.startswith(f"{entry.__name__}("):
        yield from (line.strip() for line in doc.replace("``", "`").splitlines())
        yield ""
    common_keys = (
        [("nodeid", "text", ""), ("attempt", "number", "`0`"), ("worker", "text", "")]
        if entry in journal_format._EVIDENCE_TYPES.values()
        else []
    )
    rows = [
        (each.name, _TYPE_NAMES[str(each.type)], _default(each))
        for each in fields(entry)
    ]
    if rows or common_keys:
        yield from _rows(
            ("Key", "Value", "If it is missing"),
            (
                (f"`{key}`", kind, default)
                for key, kind, default in (*common_keys, *rows)
            ),
        )


def _default(field: Any) -> str:
    """Return the value of a missing key as text, an empty text if the key is required."""
    if field.default is MISSING:
        return "" if field.default_factory is MISSING else "empty"
    if field.default in (None, "", ()):
        return "empty"
    return f"`{json.dumps(field.default)}`"


def map_headings() -> Iterator[str]:
    """Yield the words in the first cell of a heading of a mapping file."""
    yield _code(sorted(map_file._HEADINGS))


def report_keys() -> Iterator[str]:
    """Yield a section for each object of the JSON report."""
    schema = json.loads(_SCHEMA.read_text("utf-8"))
    parts = {
        "The document": schema,
        **{
            f"A {name.replace('_', ' ')}": part
            for name, part in schema["$defs"].items()
            if "properties" in part
        },
    }
    for title, part in parts.items():
        yield f"### {title}"
        yield from _rows(
            ("Key", "Value", "Meaning"),
            (
                (f"`{key}`", _type_of(value), value.get("description", ""))
                for key, value in _flattened(part["properties"])
            ),
        )


def _flattened(properties: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in properties.items():
        yield key, value
        schema = value.get("items", value)
        for name, each in schema.get("properties", {}).items():
            yield f"{key}.{name}" if schema is value else f"{key}[].{name}", each


def _type_of(value: Mapping[str, Any]) -> str:
    if "$ref" in value:
        return str(value["$ref"]).rpartition("/")[2].replace("_", " ")
    if "enum" in value:
        return _code(value["enum"])
    if "const" in value:
        return f"`{value['const']}`"
    kinds = value["type"] if isinstance(value["type"], list) else [value["type"]]
    text = " or ".join("text" if kind == "string" else kind for kind in kinds)
    return f"{text} of {_type_of(value['items'])}" if "items" in value else text


_FAULT_KEYS: Mapping[str, str] = {
    "method": "Method of the requests that the fault applies to; `*` for all",
    "path": "Part of their path after `/flex`, or a pattern with `*` for the whole path",
    "kind": "What happens, see below",
    "status": "Status of the answer",
    "body": "Text of the answer",
    "seconds": "Length of a delay in seconds",
    "times": "How many requests the fault applies to; `null` for all",
    "after": "How many such requests are answered as usual before",
    "location": "Address to redirect to",
    "rows": "How many rows, or how many MiB of white space",
    "headers": "Headers of the answer: pairs of a name and a value",
}


def fault_keys() -> Iterator[str]:
    """Yield a table of the keys of a fault."""
    return _rows(
        ("Key", "Meaning", "Default"),
        (
            (f"`{each.name}`", _FAULT_KEYS[each.name], f"`{json.dumps(each.default)}`")
            for each in fields(Fault)
        ),
    )


def faults() -> Iterator[str]:
    """Yield a table of the faults of the sandbox."""
    return _rows(
        ("Kind", "What happens"),
        ((f"`{kind}`", effect + ".") for kind, effect in EFFECTS.items()),
    )
