"""Code, settings and commands in the documents are valid."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
import configparser
import json
from pathlib import Path
import re
import sys
from typing import Any

import pytest
import yaml

from pytest_zephyr.cli import build_parser
from pytest_zephyr.config.options import BY_NAME
from pytest_zephyr.config.options import Option
from pytest_zephyr.config.options import OPTIONS
from pytest_zephyr.table import REFUSED_OPTIONS
from tests.conftest import PytestRun
from tests.docs.blocks import Block
from tests.docs.blocks import BLOCKS
from tests.docs.blocks import commands_of
from tests.docs.blocks import DOCUMENTS
from tests.docs.blocks import ROOT
from tests.docs.blocks import split_commands


if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found,unused-ignore]


#: Languages of blocks that are not checked, such as output and data.
UNCHECKED = {"", "text", "csv", "gherkin", "java", "javascript", "xml", "html", "md"}

#: Flags in blocks whose plugin may not be installed.
FLAGS_OF_OTHER_PLUGINS = {"--reruns"}

#: Variables with a credential, which are no options.
CREDENTIALS = {f"ZEPHYR_{name.upper()}" for name in REFUSED_OPTIONS}

BY_INI = {option.ini_name: option for option in OPTIONS if option.has_ini}
BY_ENV = {option.env_name: option for option in OPTIONS if option.has_env}


def check_python(block: Block, _config: pytest.Config) -> None:
    compile(block.text, str(block), "exec")


def check_json(block: Block, _config: pytest.Config) -> None:
    for text in block.text.strip().split("\n\n"):
        json.loads(text)


def check_toml(block: Block, _config: pytest.Config) -> None:
    document = tomllib.loads(block.text)
    tool = document.get("tool", {}).get("pytest", {})
    for section in (document.get("pytest", {}), tool, tool.get("ini_options", {})):
        check_settings(section)


def check_ini(block: Block, _config: pytest.Config) -> None:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(block.text)
    for name in parser.sections():
        check_settings(parser[name])


def check_yaml(block: Block, config: pytest.Config) -> None:
    for document in yaml.safe_load_all(block.text):
        for key, value in keys_and_values(document):
            if key in BY_ENV:
                check_value(BY_ENV[key], str(value))
            elif isinstance(value, str):
                lines = value.replace("\\\n", " ").splitlines()
                check_commands(config, commands_in(lines))


def check_groovy(block: Block, config: pytest.Config) -> None:
    quoted = re.findall(
        r"sh\s+(?:'''(.*?)'''|'([^']*)'|\"([^\"]*)\")", block.text, re.S
    )
    assert quoted
    for text in map("".join, quoted):
        check_commands(config, commands_in(text.splitlines()))


def check_shell(block: Block, config: pytest.Config) -> None:
    check_commands(config, commands_of(block))


CHECKS: Mapping[str, Callable[[Block, pytest.Config], None]] = {
    "python": check_python,
    "json": check_json,
    "toml": check_toml,
    "ini": check_ini,
    "yaml": check_yaml,
    "groovy": check_groovy,
    **dict.fromkeys(["console", "sh", "bash", "powershell"], check_shell),
}


@pytest.mark.parametrize(
    "block", [block for block in BLOCKS if block.language not in UNCHECKED], ids=str
)
def test_code_block_is_valid(block, pytestconfig):
    """Code compiles; settings and flags exist and have allowed values."""
    CHECKS[block.language](block, pytestconfig)


@pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT))
)
def test_every_named_option_exists(document):
    """Options are named as flags, variables and ini keys, in texts and in code."""
    text = document.read_text("utf-8")
    flags = {option.flag_name for option in OPTIONS if option.has_flag}
    parser = build_parser()
    commands: Any = parser._subparsers._group_actions[0].choices  # type: ignore[union-attr]
    for command in commands.values():
        flags |= command._option_string_actions.keys()
    refused = {f"--zephyr-{name}" for name in REFUSED_OPTIONS}

    named = set(re.findall(r"--(?:no-)?zephyr(?:-[a-z]+)*\b(?!-\*)", text))
    assert not named - flags - refused - {"--no-zephyr"}
    named = set(re.findall(r"(?<![\w{])ZEPHYR(?:_[A-Z]+)+\b", text))
    assert not named - BY_ENV.keys() - CREDENTIALS - {"ZEPHYR_RUN"}
    named = set(re.findall(r"(?<![\w/.])zephyr(?:_[a-z]+)+\b", text))
    names = {f"zephyr_{name}" for name in REFUSED_OPTIONS} | {"zephyr_ignore"}
    assert not named - BY_INI.keys() - names


def files_of_pages() -> Iterator[Any]:
    """Yield the Python files of each document that has a test file.

    The caption of a block names its file.
    """
    for document in DOCUMENTS:
        files: dict[str, str] = {}
        for block in BLOCKS:
            if block.document == document and re.fullmatch(
                r"(test_.*|conftest)\.py", block.caption
            ):
                files[block.caption] = files.get(block.caption, "") + block.text
        if any(name.startswith("test_") for name in files):
            yield pytest.param(files, id=str(document.relative_to(ROOT)))


@pytest.mark.parametrize("files", list(files_of_pages()))
def test_tests_of_a_page_run_and_are_reported(files, pytester, run_zephyr):
    """All pass, except those with the comment ``# fails``."""
    for name, text in files.items():
        (pytester.path / name).write_text(text, encoding="utf-8")

    run: PytestRun = run_zephyr("--zephyr-create=execution", check_exit_code=False)

    outcomes = run.result.parseoutcomes()
    failing = sum(text.count("  # fails") for text in files.values())
    assert (outcomes.get("failed", 0), outcomes.get("errors", 0)) == (failing, 0)
    assert "passed" in outcomes
    assert " test case" in run.text
    assert "internal error" not in run.text


def check_settings(section: Any) -> None:
    for key, value in section.items():
        if key.startswith("zephyr"):
            text = str(value).lower() if isinstance(value, bool) else str(value)
            check_value(BY_INI[key], text)


def check_value(option: Option, text: str) -> None:
    """Check that *option* accepts a value, unless it is a file or has a variable."""
    if not option.names_files and "$" not in text:
        option.parse(text)


def keys_and_values(document: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each plain value in *document* with its key."""
    if isinstance(document, dict):
        for name, value in document.items():
            yield from keys_and_values(value, str(name))
    elif isinstance(document, list):
        for value in document:
            yield from keys_and_values(value, key)
    else:
        yield key, document


def commands_in(lines: Iterable[str]) -> Iterator[list[str]]:
    """Yield the commands in those *lines* that contain ``pytest``."""
    for line in lines:
        if "pytest" in line:
            yield from split_commands(line.strip())


def check_commands(config: pytest.Config, commands: Iterable[list[str]]) -> None:
    for words in commands:
        while words and re.fullmatch(r"\w+=.*", words[0], re.S):
            name, _, value = words.pop(0).partition("=")
            if name in BY_ENV:
                check_value(BY_ENV[name], value)
        words = words[words[0] in {"export", "exec", "!"} :] if words else words
        if not words:
            continue
        program, *rest = words
        program = Path(program).name
        if program in {"python", "python3", "py"} and rest[:1] == ["-m"]:
            program, rest = rest[1].replace("_", "-"), rest[2:]
        if program == "pytest":
            check_pytest(config, rest)
        elif program == "pytest-zephyr":
            check_pytest_zephyr(rest)
        elif "=" in program and program.partition("=")[0] in BY_ENV:
            name, _, value = program.partition("=")
            check_value(BY_ENV[name], value)


def check_pytest(config: pytest.Config, words: list[str]) -> None:
    """Check the arguments of pytest: flags exist, and ours have allowed values."""
    parse: Callable[..., Any] = config._parser.parse_known_and_unknown_args
    namespace, unknown = parse(words)
    flags = {word.partition("=")[0] for word in unknown if word.startswith("-")}
    assert not flags - FLAGS_OF_OTHER_PLUGINS
    for option in OPTIONS:
        value = getattr(namespace, option.ini_name, None)
        if isinstance(value, str) and option.has_flag:
            check_value(option, value)


def check_pytest_zephyr(words: list[str]) -> None:
    if words[:1] in ([], ["--help"], ["--version"]) or "--help" in words:
        return
    try:
        namespace = build_parser().parse_args(words)
    except SystemExit:
        pytest.fail(f"pytest-zephyr {' '.join(words)} is not a valid command")
    for name in BY_NAME:
        value = getattr(namespace, BY_NAME[name].ini_name, None)
        if isinstance(value, str):
            check_value(BY_NAME[name], value)
