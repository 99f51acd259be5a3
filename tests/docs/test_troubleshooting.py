"""The troubleshooting page has the messages of the plugin, as they are in the code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
import re
from typing import get_args

import pytest

from pytest_zephyr import errors
from tests.docs.blocks import ROOT
from tests.docs.blocks import SITE


PAGE = (SITE / "troubleshooting.md").read_text("utf-8")

#: Messages of pytest and of the system.
FOREIGN_MESSAGES = {
    "unrecognized arguments: --zephyr",
    "conflicting option string: --zephyr",
    "connection refused",
}
#: Messages on the page with a value filled in, and how they are in the code.
FILLED_IN = {
    "no project. Set zephyr_project in pytest.ini or …": "no …. Set zephyr_… in pytest.ini or …",
    "is not a project of this server": "is not a … of this server",
    "is not a release of …": "is not a … of …",
    "have no test case": "… no test case",
    "… have an invalid marker": "… … an invalid marker",
    "the time budget of … s (…) is spent": "the time budget of … s (…)… is spent",
    "invalid zephyr_… '…' (from …): …": "invalid … (…): …",
    "results kept in …": "… kept in …",
    "… (from …) is not used": "… is not used",
    "pytest_zephyr_record of …": "… of …",
    "pytest_zephyr_cases of …": "… of …",
}


def listed_messages() -> Iterator[str]:
    """Yield the messages in headings, and in the first cells of tables."""
    for line in PAGE.splitlines():
        if line.startswith("### "):
            yield from re.findall(r"`([^`]+)`", line)
        elif line.startswith("| `"):
            yield from re.findall(r"`([^`]+)`", line.split(" | ")[0])


def syntax_trees() -> Iterator[ast.Module]:
    """Yield the syntax tree of each module, without those of the embedded server."""
    package = ROOT / "pytest_zephyr"
    for path in package.rglob("*.py"):
        if path.relative_to(package).parts[0] != "sandbox":
            yield ast.parse(path.read_text("utf-8"))


def strings_in(tree: ast.AST) -> Iterator[str]:
    """Yield every string in *tree*, with an ellipsis for each value of an f-string.

    Docstrings are left out: they are no messages.
    """
    if isinstance(tree, ast.Expr) and isinstance(tree.value, ast.Constant):
        return
    if isinstance(tree, ast.JoinedStr):
        parts = [getattr(each, "value", "…") for each in tree.values]
        yield "".join(part if isinstance(part, str) else "…" for part in parts)
    elif isinstance(tree, ast.Constant) and isinstance(tree.value, str):
        yield tree.value
    else:
        for child in ast.iter_child_nodes(tree):
            yield from strings_in(child)


STRINGS = "\n".join(text for tree in syntax_trees() for text in strings_in(tree))


@pytest.mark.parametrize(
    "message", [each for each in listed_messages() if each not in FOREIGN_MESSAGES]
)
def test_every_message_of_the_page_is_in_the_code(message):
    # In the code, "from" is not in the message but in the value that is filled in.
    in_code = FILLED_IN.get(message, message).replace("(from …)", "(…)")
    for part in in_code.split("…"):
        assert part.strip(" '") in STRINGS


#: Functions and classes that take a message, besides the errors of the package.
MESSAGE_CALLS = {"InvalidValue", "Line", "Refusal", "complain", "problem"}


def messages() -> Iterator[str]:
    """Yield the texts of errors and of lines in the summary."""
    names = MESSAGE_CALLS | {name for name in vars(errors) if name[0].isupper()}
    for tree in syntax_trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in names:
                for argument in node.args:
                    yield from strings_in(argument)


def test_every_message_is_on_the_page():
    """The page has three consecutive words of each message that has as many."""
    page = " ".join(PAGE.replace("`", "").split())

    missing = []
    for message in sorted(set(messages())):
        parts = [re.findall(r"\S+", part) for part in message.split("…")]
        phrases = [
            " ".join(words[n : n + 3]) for words in parts for n in range(len(words) - 2)
        ]
        if phrases and not any(each.strip(" .,:;()'") in page for each in phrases):
            missing.append(message)
    assert not missing


def test_codes_on_the_page_exist():
    codes = set()
    for named in re.findall(
        r"\bCode:((?: (?:or )?`[a-z-]+`)+)", " ".join(PAGE.split())
    ):
        codes |= set(re.findall(r"`([a-z-]+)`", named))

    assert len(codes) > 15
    assert codes <= set(get_args(errors.Code))
