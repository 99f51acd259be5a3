"""The reference has every public name, docstrings have examples, links have targets."""

from __future__ import annotations

from collections.abc import Iterator
import inspect
import json
from pathlib import Path
import re
from typing import Any
from typing import get_args
from urllib.parse import urlsplit

import pytest

import pytest_zephyr
from pytest_zephyr import cli
from pytest_zephyr import table
from pytest_zephyr import Zephyr
from pytest_zephyr import ZephyrRecord
from pytest_zephyr.config.options import OPTIONS
from pytest_zephyr.errors import Code
from pytest_zephyr.plugin import zephyr
from pytest_zephyr.plugin import ZephyrHooks
from tests.docs.blocks import DOCUMENTS
from tests.docs.blocks import ROOT
from tests.docs.blocks import SITE


PROJECT_URL = "https://github.com/pytest-zephyr/pytest-zephyr/"


def reference(name: str) -> str:
    """Return the text of a page of the reference."""
    return (SITE / "reference" / f"{name}.md").read_text("utf-8")


def test_every_option_has_an_entry():
    entries = re.findall(r"^:::\{zephyr-option\} (\w+)$", reference("options"), re.M)

    assert sorted(entries) == sorted(option.name for option in OPTIONS)


def test_every_command_has_an_entry():
    entries = re.findall(r"^:::\{zephyr-command\} (\w+)$", reference("command"), re.M)
    (action,) = cli.build_parser()._subparsers._group_actions  # type: ignore[union-attr]
    commands: Any = action.choices

    assert sorted(entries) == sorted(commands)
    table_of_exit_codes = reference("exit-codes").partition("## pytest-zephyr")[2]
    assert re.findall(r"^\| `(\w+)` \|", table_of_exit_codes, re.M) == entries


def test_every_code_of_a_problem_is_described():
    codes = re.findall(r"^([a-z-]+)\n  [A-Z`]", reference("codes"), re.M)

    assert sorted(codes) == sorted(get_args(Code))


def test_every_key_of_the_report_is_described():
    def check(part: Any) -> None:
        for key, value in part.get("properties", {}).items():
            assert value.get("description"), key
            check(value)
            check(value.get("items", {}))

    schema = json.loads((SITE / "report.schema.json").read_text("utf-8"))
    for part in (schema, *schema["$defs"].values()):
        check(part)


def test_every_argument_of_the_marker_is_described():
    arguments = re.findall(r"(\w+)=", table.MARKERS[0])

    assert arguments
    for name in arguments:
        assert f"{name}=" in reference("marker")


def test_every_public_name_has_an_entry():
    pages = reference("fixture") + reference("hooks")

    entries = re.findall(r"autoclass:: pytest_zephyr\.(\w+)", pages)
    assert sorted(entries) == sorted({*pytest_zephyr.__all__} - {"__version__"})
    hooks = [name for name in vars(ZephyrHooks) if name.startswith("pytest_zephyr")]
    assert re.findall(r"automethod:: (\w+)", pages) == hooks


def public_objects() -> Iterator[Any]:
    """Yield the fixture, the public classes with their methods, and the hooks."""
    yield zephyr
    for public_class in (Zephyr, ZephyrRecord):
        yield public_class
        for name, member in vars(public_class).items():
            if not name.startswith("_") and callable(member):
                yield member
    yield from (ZephyrHooks.pytest_zephyr_cases, ZephyrHooks.pytest_zephyr_record)


@pytest.mark.parametrize(
    "public", list(public_objects()), ids=lambda public: public.__qualname__
)
def test_docstring_has_an_example_that_compiles(public):
    doc = inspect.cleandoc(public.__doc__ or "")

    examples = re.findall(r"::\n\n((?:(?: {4}.*)?\n?)+)", doc)
    assert examples
    for example in examples:
        compile(inspect.cleandoc("\n" + example), public.__qualname__, "exec")


def links() -> Iterator[Any]:
    """Yield each document with the target of each of its links."""
    for document in DOCUMENTS:
        text = re.sub(
            r"^```.*?^```", "", document.read_text("utf-8"), flags=re.M | re.S
        )
        for number, target in enumerate(re.findall(r"\]\(([^)\s]+)\)", text), 1):
            name = f"{document.relative_to(ROOT)}-{number}"
            yield pytest.param(document, target, id=name)


@pytest.mark.parametrize(("document", "target"), list(links()))
def test_links_have_a_valid_target(document: Path, target: str) -> None:
    """A link leads to an existing file or a web address; Sphinx checks paths in docs."""
    parts = urlsplit(target)
    if target.startswith(PROJECT_URL) and parts.path.count("/") > 4:
        _owner, _name, view, branch, path = parts.path[1:].split("/", 4)
        assert (view in {"blob", "tree", "raw"}, branch) == (True, "main")
        assert (ROOT / path).exists()
    elif parts.scheme:
        assert parts.scheme in {"https", "http", "path"}
        assert parts.scheme == "path" or parts.hostname
    elif SITE not in document.parents and parts.path:
        assert (document.parent / parts.path).exists()
