"""Directives that write the reference from the code of the plugin."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
import re
from typing import Any
from typing import ClassVar

from docutils.nodes import Node
from docutils.statemachine import StringList
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.directives import ObjectDescription
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import make_id
import tables

from pytest_zephyr.cli import build_parser
from pytest_zephyr.config.options import BY_NAME
from pytest_zephyr.config.options import Option
from pytest_zephyr.config.options import OPTIONS
from pytest_zephyr.errors import InvalidValue


#: A value that is invalid for each option with a choice or a format.
_INVALID = "?("


class OptionEntry(ObjectDescription[str]):
    """An option of pytest: what it does, its names, default and allowed values.

    The content of the directive is added to the help text.
    """

    option_spec: ClassVar[dict[str, Callable[[str], Any]]] = {}

    def run(self) -> list[Node]:
        option = self._option(self.arguments[0])
        text = [f"{option.help}.", "", *_facts(option), "", *self.content]
        self.content = StringList(text, self.get_source_info()[0])
        return super().run()

    def handle_signature(self, sig: str, signode: addnodes.desc_signature) -> str:
        option = self._option(sig)
        name = option.flag_name if option.has_flag else option.ini_name
        signode += addnodes.desc_name(name, name)
        if option.metavar:
            signode += addnodes.desc_addname(text=f" {option.metavar}")
        signode["toc"] = name
        return sig

    def add_target_and_index(
        self, name: str, sig: str, signode: addnodes.desc_signature
    ) -> None:
        option = self._option(name)
        node_id = make_id(self.env, self.state.document, "", option.flag_name[2:])
        signode["ids"].append(node_id)
        self.state.document.note_explicit_target(signode)
        domain = self.env.domains.standard_domain
        # The search of the site puts what is in the index first.
        self.indexnode["entries"] += [
            ("single", each, node_id, "main", None) for each in _names(option)
        ]
        if option.has_flag:
            domain.add_program_option(None, option.flag_name, self.env.docname, node_id)
        if name == "zephyr":
            domain.add_program_option(None, "--no-zephyr", self.env.docname, node_id)
        if option.has_env:
            domain.note_object("envvar", option.env_name, node_id, location=signode)
        if option.has_ini:
            domain.note_object("confval", option.ini_name, node_id, location=signode)

    def _object_hierarchy_parts(
        self, sig_node: addnodes.desc_signature
    ) -> tuple[str, ...]:
        return (str(sig_node["toc"]),)

    def _toc_entry_name(self, sig_node: addnodes.desc_signature) -> str:
        return str(sig_node["toc"])

    def _option(self, name: str) -> Option:
        if name not in BY_NAME:
            raise self.error(f"there is no option {name!r}")
        return BY_NAME[name]


def _names(option: Option) -> Iterator[str]:
    if option.has_flag:
        yield option.flag_name
    if option.has_env:
        yield option.env_name
    if option.has_ini:
        yield option.ini_name


def _facts(option: Option) -> Iterator[str]:
    """Yield the lines of a field list: names, allowed values, default and commands."""
    if option.name == "zephyr":
        yield ":Flags: `--zephyr`, `--no-zephyr`"
    if option.has_env:
        yield f":Variable: `{option.env_name}`"
    if option.has_ini:
        yield f":Ini key: `{option.ini_name}`"
    if allowed := _allowed(option):
        yield f":Values: {allowed}"
    if option.is_switch:
        yield ":Default: off"
    elif option.default and "default:" not in option.help:
        yield f":Default: `{option.default}`"
    if command_links := [
        f"[{name}](#command-{name})"
        for name, command in commands().items()
        if option.flag_name in _flags(command)
    ]:
        yield f":Commands: {', '.join(command_links)}"


def _allowed(option: Option) -> str:
    """Return what a value must be, as the message about an invalid one says.

    The text is empty if any value is allowed.
    """
    if option.is_switch:
        return "`true` or `false`; the flag takes no value" if option.has_ini else ""
    try:
        option.parse(_INVALID)
    except InvalidValue as error:
        text = re.split(r" \(|\. Did you mean", str(error))[0].split(". ")[-1]
        for start in ("choose ", "expected "):
            text = text.removeprefix(start)
        text = f"{text[0].lower()}{text[1:]}".rstrip(".")
        if option.name == "status_map":
            # The message about a wrong outcome is only about the left part.
            text = f"`outcome=status`, several separated by commas; {text}"
        return text
    return ""


# The command


def commands() -> Mapping[str, argparse.ArgumentParser]:
    """Return the parsers of the commands by name."""
    (subparsers,) = (
        action
        for action in build_parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    return dict(subparsers.choices)


def _flags(parser: argparse.ArgumentParser) -> set[str]:
    return set(parser._option_string_actions)


def _own_arguments(parser: argparse.ArgumentParser) -> Iterable[argparse.Action]:
    """Yield the arguments that *parser* does not share with pytest."""
    shared = {option.flag_name for option in OPTIONS}
    for action in parser._actions:
        if action.help != argparse.SUPPRESS and not shared & {*action.option_strings}:
            yield action


class CommandEntry(SphinxDirective):
    """A command of `pytest-zephyr`: its usage, arguments and flags.

    The content of the directive comes between the usage and the arguments.
    """

    required_arguments = 1
    has_content = True

    def run(self) -> list[Node]:
        name = self.arguments[0]
        if name not in commands():
            raise self.error(f"there is no command {name!r}")
        parser = commands()[name]
        text = "\n".join(_command(name, parser, list(self.content)))
        return self.parse_text_to_nodes(text, allow_section_headings=True)


def _command(
    name: str, parser: argparse.ArgumentParser, content: list[str]
) -> Iterator[str]:
    own = [each for each in _own_arguments(parser) if each.dest != "help"]
    positional = [each for each in own if not each.option_strings]
    words = [_usage(each) for each in positional]
    yield f"(command-{name})="
    yield f"## {name}"
    yield ""
    yield "```text"
    yield " ".join(["pytest-zephyr", name, "[OPTIONS]", *words])
    yield "```"
    yield ""
    yield str(parser.description)
    yield ""
    yield from content
    yield ""
    for action in positional:
        yield f"`{action.metavar or action.dest}`"
        yield f": {_sentence(action)}"
        if action.choices:
            yield f"  One of {', '.join(f'`{each}`' for each in action.choices)}."
        yield ""
    yield f"```{{program}} pytest-zephyr {name}\n```"
    for action in own:
        if action.option_strings:
            value = "" if action.nargs == 0 else f" {_metavar(action)}"
            yield f":::{{option}} {', '.join(f'{each}{value}' for each in action.option_strings)}"
            yield _sentence(action)
            yield ":::"
            yield ""
    yield "```{program} None\n```"
    shared = [each for each in OPTIONS if each.flag_name in _flags(parser)]
    yield (
        "Options that mean the same as with pytest: "
        + ", ".join(f"{{option}}`{each.flag_name}`" for each in shared)
        + "."
    )


def _sentence(action: argparse.Action) -> str:
    text = str(action.help) % {"default": action.default}
    return f"{text[0].upper()}{text[1:]}."


def _metavar(action: argparse.Action) -> str:
    return str(action.metavar or action.dest.upper())


def _usage(action: argparse.Action) -> str:
    """Return a positional argument as the line with the usage shows it."""
    name = _metavar(action)
    if name.startswith("-- "):
        return f"[{name} ...]"
    if action.choices:
        name = "|".join(map(str, action.choices))
    return {"*": f"[{name} ...]", "+": f"{name} ...", "?": f"[{name}]"}.get(
        str(action.nargs), name
    )


class Table(SphinxDirective):
    """The table or the sections that a function of `tables` yields; the argument names it."""

    required_arguments = 1

    def run(self) -> list[Node]:
        writers = {name: each for name, each in vars(tables).items() if callable(each)}
        if self.arguments[0] not in writers:
            raise self.error(f"there is no table {self.arguments[0]!r}")
        text = "\n".join(writers[self.arguments[0]]())
        return self.parse_text_to_nodes(text, allow_section_headings=True)


def setup(app: Sphinx) -> Mapping[str, bool]:
    app.add_directive("zephyr-option", OptionEntry)
    app.add_directive("zephyr-command", CommandEntry)
    app.add_directive("zephyr-table", Table)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
