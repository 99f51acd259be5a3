"""How flags, environment, journals and ini files become Settings."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_zephyr.config import ci
from pytest_zephyr.config import parsers as parse
from pytest_zephyr.config import placeholders
from pytest_zephyr.config.credentials import find_credential
from pytest_zephyr.config.options import BY_NAME
from pytest_zephyr.config.options import Option
from pytest_zephyr.config.options import OPTIONS
from pytest_zephyr.config.settings import Credential
from pytest_zephyr.config.settings import Ref
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.errors import SettingsError
from pytest_zephyr.results.records import TARGET
from pytest_zephyr.results.status import DEFAULT_MAP
from pytest_zephyr.results.status import NOTHING
from pytest_zephyr.secret import HIDDEN
from pytest_zephyr.secret import mask_userinfo


#: Longest text an option takes; anything longer is a mistake in a pipeline.
_MAX_TEXT = 4096


#: The longest name of anything in Zephyr (API 5, 20).
_MAX_NAME = 255


_DEFAULT_MAP_TEXT = ",".join(
    f"{outcome.value}={status}"
    for outcome, status in DEFAULT_MAP.items()
    if status != NOTHING
)


@dataclass(frozen=True)
class Given:
    """The texts that were found, by kind of source.

    *flags* and *ini* map the name of an option to its text; *ini* values carry the
    file they stand in, or ``-o``. That file is in *ini_root*, and it is *config_file*
    where it must be named to be found. With a *header*, what a journal keeps, options
    that decide the result come from there or from a flag, and from nowhere else.
    """

    flags: Mapping[str, object] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    header: Mapping[str, str] | None = None
    header_name: str = "journal"
    ini: Mapping[str, tuple[object, str]] = field(default_factory=dict)
    ini_root: Path = parse.HERE
    config_file: Path | None = None

    def find(self, option: Option) -> tuple[str, str] | None:
        """Return the text of *option* and its source, from the first that has it."""
        for text, source in self._sources(option):
            # A CI service sets a variable to nothing for "not given"; a flag is typed.
            if text.strip() or source.startswith("--"):
                return text.strip(), source
        return None

    def _sources(self, option: Option) -> Iterator[tuple[str, str]]:
        if option.flag and self.flags.get(option.name) is not None:
            yield as_text(self.flags[option.name]), option.flag_name
        if option.journaled and self.header is not None:
            if option.name in self.header:
                yield self.header[option.name], self.header_name
            return
        if option.env and option.env_name in self.environ:
            yield self.environ[option.env_name], option.env_name
        if option.ini and option.name in self.ini:
            value, file = self.ini[option.name]
            yield as_text(value), f"{option.ini_name}, {file}"

    def directory_of(self, source: str) -> Path:
        """Return where a relative path from *source* starts."""
        _, in_ini, file = source.partition(", ")
        return self.ini_root if in_ini and file != "-o" else parse.HERE


def as_text(value: object) -> str:
    """Return a value of a TOML file as the text an ini file would hold."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return ",".join(f"{key}={as_text(each)}" for key, each in value.items())
    if isinstance(value, list | tuple):
        return ",".join(as_text(each) for each in value)
    return str(value)


def value(name: str, given: Given) -> Any:
    """Return the value of one option. Raises SettingsError."""
    problems: list[str] = []
    found = _value(BY_NAME[name], given, problems)[0]
    if problems:
        raise SettingsError("\n".join(problems))
    return found


def journaled(settings: Settings) -> dict[str, str]:
    """Return the options that a journal keeps: as given, with placeholders filled."""
    kept = {
        option.name: settings.said[option.name]
        for option in OPTIONS
        if option.journaled and settings.sources.get(option.name) != "default"
    }
    for name in TARGET:
        ref: Ref | None = getattr(settings, name)
        if ref is not None and ref.name is not None:
            # Braces that were meant as such must not be filled in by a push.
            kept[name] = f"name:{placeholders.escape(ref.name)}"
    if "folder" in kept:
        kept["folder"] = settings.folder
    if settings.url is not None:
        # For information: a journal does not decide where a credential goes.
        kept["url"] = settings.url
    return kept


def resolve(given: Given) -> Settings:
    """Make Settings of what was *given*. Raises SettingsError with every problem."""
    problems: list[str] = []
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    said: dict[str, str] = {}
    for option in OPTIONS:
        value, text, source = _value(option, given, problems)
        values[option.name] = value
        sources[option.name] = source
        said[option.name] = text
    environ = given.environ if given.header is None else {}
    if values["run_key"] is None and (found := ci.run_key(environ)):
        values["run_key"], sources["run_key"] = found
        said["run_key"] = found[0]
    if values["build"] is None and (build := ci.build(environ)):
        values["build"] = said["build"] = build
        sources["build"] = "the CI service"
    _fill_names(values, said, sources, given, problems)
    warnings: list[str] = []
    _check_together(values, sources, problems)
    credential = None
    if not problems:
        credential = find_credential(values, sources, given.environ, problems, warnings)
    if (source := sources["proxy"]) != "ZEPHYR_PROXY" and "@" in said["proxy"]:
        warnings.append(
            f"the credential of the proxy can be read by others in {source}; put the"
            f" address into ZEPHYR_PROXY in the environment."
        )
    if values.get("verify") is False:
        warnings.append(
            f"TLS certificates are not checked ({sources['verify']}); anybody on the"
            f" way to the server can read the credential."
        )
    if problems:
        raise SettingsError("\n".join(problems))
    return Settings(
        **values,
        credential=credential,
        sources=sources,
        said=said,
        config_file=given.config_file,
        pushing=given.header is not None,
        warnings=tuple(warnings),
    )


#: Options that decide what becomes of a result, for the tests of one session.
_OF_RESULTS = (
    *("status_map", "comment", "notes_limit"),
    *("create", "unmapped", "unknown_case", "folder"),
)


def of_journal(
    settings: Settings,
    options: Mapping[str, str],
    name: str,
    *,
    keep_flags: bool,
) -> Settings:
    """Return *settings* for the results of the journal *name* with its own *options*.

    With *keep_flags* those of the call are for all journals. What cannot be read is not
    used.
    """
    own: dict[str, Any] = {}
    sources = dict(settings.sources)
    given = Given(header=options, header_name=name)
    for each in _OF_RESULTS:
        if keep_flags and sources.get(each) == BY_NAME[each].flag_name:
            continue
        problems: list[str] = []
        value, _text, source = _value(BY_NAME[each], given, problems)
        if each == "folder" and not problems:
            with suppress(placeholders.Unfilled):
                value = placeholders.fill_folder(str(value), {}, {})
        if not problems:
            own[each], sources[each] = value, source
    return replace(settings, **own, sources=sources)


def _check_together(
    values: Mapping[str, Any], sources: Mapping[str, str], problems: list[str]
) -> None:
    """Name what is right by itself and wrong beside another value."""
    if values["unmapped"] == "create" and values["create"] == "never":
        problems.append(
            f"'create' ({sources['unmapped']}) makes test cases, which needs"
            f" zephyr_create to be execution, phase or cycle; it is never"
            f" ({sources['create']})."
        )


def _fill_names(
    values: dict[str, Any],
    said: dict[str, str],
    sources: Mapping[str, str],
    given: Given,
    problems: list[str],
) -> None:
    """Fill the placeholders of names, once: the run keeps what they were.

    That of a folder's package is another one for each test, and stays.
    """
    now = placeholders.values_of(given.environ, values["run_key"], values["build"])

    def filling(name: str) -> tuple[Mapping[str, str], Mapping[str, str]]:
        if sources[name] == given.header_name:
            # Its names were filled when it was written. Whoever put others there by
            # hand must not come to see our environment.
            return {}, {}
        return now, given.environ

    for name in TARGET:
        ref: Ref | None = values[name]
        if ref is None or ref.name is None:
            continue
        try:
            filled = placeholders.fill(ref.name, *filling(name))
            if len(filled) > _MAX_NAME:
                problems.append(
                    f"{ref.name[:60]!r}… ({sources[name]}) has {len(filled)} characters;"
                    f" a name in Zephyr has at most {_MAX_NAME}."
                )
            values[name] = Ref(name=filled)
            if sources[name] == given.header_name:
                # As people wrote it; a journal is more careful.
                said[name] = filled
        except placeholders.Unfilled as unfilled:
            problems.append(f"{ref.name!r} ({sources[name]}): {unfilled}.")
    folder = values["folder"]
    if folder is None:
        return
    try:
        values["folder"] = placeholders.fill_folder(folder, *filling("folder"))
    except placeholders.Unfilled as unfilled:
        problems.append(f"{folder!r} ({sources['folder']}): {unfilled}.")


def _value(
    option: Option, given: Given, problems: list[str]
) -> tuple[object, str, str]:
    found = given.find(option)
    if found is None:
        if option.default is None:
            return None, "", "default"
        return option.parse(option.default), option.default, "default"
    text, source = found
    try:
        if not text and option.name in TARGET:
            # It unsets what it would otherwise inherit.
            return None, "", source
        if not text:
            msg = "it is empty"
            raise parse.InvalidValue(msg)
        if len(text) > _MAX_TEXT:
            raise parse.InvalidValue(
                f"it has {len(text)} characters, {_MAX_TEXT} are allowed"
            )
        if not text.replace("\n", "").isprintable():
            msg = "it holds a control character"
            raise parse.InvalidValue(msg)
        if option.files:
            return option.parse(text, given.directory_of(source)), text, source
        return option.parse(text), text, source
    except parse.InvalidValue as wrong:
        shown = _shown(option, text)
        problems.append(f"{shown} ({source}) is not a {option.ini_name}: {wrong}.")
        return None, text, source


def _shown(option: Option, text: str) -> str:
    """Return *text* for a message: short, and without what may be a secret."""
    if option.name in {"url", "proxy"}:
        text = mask_userinfo(text)
    return repr(text if len(text) <= 100 else f"{text[:97]}...")


def describe(settings: Settings) -> list[str]:
    """Return one line per option: its value and where it came from, no secrets."""
    rows = []
    for option in OPTIONS:
        if option.name == "show_config":
            continue
        text = settings.said.get(option.name, "")
        if option.name in {"url", "proxy"}:
            text = mask_userinfo(text)
            if option.name == "url" and settings.url:
                text = settings.url
        if option.name == "status_map" and not text:
            text = _DEFAULT_MAP_TEXT
        rows.append(
            (option.ini_name, text, settings.sources.get(option.name, "default"))
        )
    rows.append(("login", *_login_row(settings.credential)))
    width = max(len(name) for name, _, _ in rows)
    return [
        f"{name:<{width}} = {text or '(not set)'}  [{source}]"
        for name, text, source in rows
    ]


def _login_row(credential: Credential | None) -> tuple[str, str]:
    if credential is None:
        return "", "default"
    if credential.kind == "token":
        return f"token {HIDDEN}", credential.source
    return (
        f"{credential.kind} as {credential.username}, password {HIDDEN}",
        credential.source,
    )
