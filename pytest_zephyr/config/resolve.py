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
from pytest_zephyr.config.settings import Ref
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.errors import SettingsError
from pytest_zephyr.results.records import TARGET
from pytest_zephyr.results.status import DEFAULT_MAP
from pytest_zephyr.results.status import NOTHING
from pytest_zephyr.secret import HIDDEN
from pytest_zephyr.secret import mask_userinfo
from pytest_zephyr.text import shorten


#: Longest text of an option. A longer one is a mistake in a pipeline.
_MAX_TEXT = 4096

#: Longest name of anything in Zephyr.
_MAX_NAME = 255

_DEFAULT_MAP_TEXT = ",".join(
    f"{outcome.value}={status}"
    for outcome, status in DEFAULT_MAP.items()
    if status != NOTHING
)

#: Options that decide how the results of one journal are reported.
_OF_RESULTS = (
    *("status_map", "comment", "notes_limit"),
    *("create", "unmapped", "unknown_case", "folder"),
)


@dataclass(frozen=True)
class Given:
    """The texts of the options, by kind of source.

    *flags* and *ini* map the name of an option to its text; *ini* adds the name of the
    file, or ``-o``. That file is in *ini_root*; it is *config_file* if a command has to
    name it. With a *header*, the options in a journal, options that decide the result
    come only from there or from a flag.
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
            # CI services set a variable to nothing for "not given"; a flag is typed.
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
            yield as_text(value), ini_source(option.ini_name, file)


def ini_source(name: str, file: str) -> str:
    """Return the source of ini key *name* for messages; *file* may be ``-o``."""
    return f"-o {name}" if file == "-o" else f"{name} in {file}"


def as_text(value: object) -> str:
    """Return a value of a TOML file as the text an ini file would hold."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return ",".join(f"{key}={as_text(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ",".join(map(as_text, value))
    return str(value)


def value(name: str, given: Given) -> Any:
    """Return the value of one option. Raises SettingsError."""
    return _read(BY_NAME[name], given)[0]


def journaled(settings: Settings) -> dict[str, str]:
    """Return the options for the journal: as given, with placeholders filled."""
    options = {
        option.name: settings.raw[option.name]
        for option in OPTIONS
        if option.journaled and settings.sources.get(option.name) != "default"
    }
    for name in TARGET:
        ref: Ref | None = getattr(settings, name)
        if ref is not None and ref.name is not None:
            # A push must not take literal braces for placeholders.
            options[name] = f"name:{placeholders.escape(ref.name)}"
    if "folder" in options:
        options["folder"] = settings.folder
    if settings.url is not None:
        # For information only: a journal does not decide where a credential goes.
        options["url"] = settings.url
    return options


def resolve(given: Given) -> Settings:
    """Return the Settings for what was *given*. Raises SettingsError with every problem."""
    problems: list[str] = []
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    texts: dict[str, str] = {}
    for option in OPTIONS:
        name = option.name
        try:
            values[name], texts[name], sources[name] = _read(option, given)
        except SettingsError as error:
            problems.append(str(error))
            values[name], texts[name], sources[name] = None, "", ""
    environ = given.environ if given.header is None else {}
    if values["run_key"] is None and (run := ci.run_key(environ)):
        values["run_key"], sources["run_key"] = run
        texts["run_key"] = run[0]
    if values["build"] is None and (build := ci.find(environ, "build")):
        values["build"] = texts["build"] = build
        sources["build"] = "the CI service"
    problems += _fill_names(values, texts, sources, given)
    if values["unmapped"] == "create" and values["create"] == "never":
        problems.append(
            f"'create' (from {sources['unmapped']}) creates test cases, so zephyr_create"
            f" must be execution, phase or cycle; it is never (from {sources['create']})."
        )
    if problems:
        raise SettingsError("\n".join(problems))
    warnings: list[str] = []
    credential = find_credential(values, sources, given.environ, warnings)
    if (source := sources["proxy"]) != "ZEPHYR_PROXY" and "@" in texts["proxy"]:
        warnings.append(
            f"others can read the credential of the proxy in {source}; put the address"
            f" into ZEPHYR_PROXY in the environment."
        )
    if values["verify"] is False:
        warnings.append(
            f"TLS certificates are not checked (from {sources['verify']}); anyone on the"
            f" network path can read the credential."
        )
    needed = values.keys() & Settings.__dataclass_fields__.keys()
    return Settings(
        **{name: values[name] for name in needed},
        credential=credential,
        sources=sources,
        raw=texts,
        config_file=given.config_file,
        pushing=given.header is not None,
        warnings=tuple(warnings),
    )


def of_journal(
    settings: Settings,
    options: Mapping[str, str],
    name: str,
    *,
    keep_flags: bool,
) -> Settings:
    """Return *settings* for the results of the journal *name* with its own *options*.

    With *keep_flags* the flags of this call apply to all journals. Invalid values in the
    journal are ignored.
    """
    values: dict[str, Any] = {}
    sources = dict(settings.sources)
    given = Given(header=options, header_name=name)
    for option in map(BY_NAME.__getitem__, _OF_RESULTS):
        if keep_flags and sources.get(option.name) == option.flag_name:
            continue
        with suppress(SettingsError):
            value, _text, source = _read(option, given)
            if option.name == "folder":
                with suppress(placeholders.Unfilled):
                    value = placeholders.fill_folder(str(value), {}, {})
            values[option.name], sources[option.name] = value, source
    return replace(settings, **values, sources=sources)


def _fill_names(
    values: dict[str, Any],
    texts: dict[str, str],
    sources: Mapping[str, str],
    given: Given,
) -> Iterator[str]:
    """Fill the placeholders of names in *values*; yield the problems.

    ``{package}`` in the folder differs from test to test and stays.
    """
    now = placeholders.values_of(given.environ, values["run_key"], values["build"])
    if values["report"] is not None:
        try:
            values["report"] = placeholders.fill_path(
                values["report"], now, given.environ
            )
        except placeholders.Unfilled as unfilled:
            source = sources["report"]
            yield f"invalid zephyr_report {texts['report']!r} (from {source}): {unfilled}."
    for name in (*TARGET, "folder"):
        ref = values[name]
        text = ref.name if isinstance(ref, Ref) else ref
        if text is None:
            continue
        # The names in a journal are filled already. One that was edited by hand must
        # not reveal our environment.
        journaled = sources[name] == given.header_name
        context = ({}, {}) if journaled else (now, given.environ)
        try:
            if name == "folder":
                values[name] = placeholders.fill_folder(text, *context)
                continue
            filled = placeholders.fill(text, *context)
        except placeholders.Unfilled as unfilled:
            yield f"invalid zephyr_{name} {text!r} (from {sources[name]}): {unfilled}."
            continue
        if len(filled) > _MAX_NAME:
            yield (
                f"invalid zephyr_{name} {text[:60]!r}… (from {sources[name]}): it has"
                f" {len(filled)} characters, a name in Zephyr has at most {_MAX_NAME}."
            )
        values[name] = Ref(name=filled)
        if journaled:
            # Without the "name:" and the doubled braces of the journal.
            texts[name] = filled


def _read(option: Option, given: Given) -> tuple[Any, str, str]:
    """Return the value of *option*, its text and its source. Raises SettingsError."""
    text_and_source = given.find(option)
    if text_and_source is None:
        default = option.default
        value = None if default is None else option.parse(default)
        return value, default or "", "default"
    text, source = text_and_source
    if not text and option.name in TARGET:
        # An empty flag unsets an inherited value.
        return None, "", source
    try:
        if not text:
            raise parse.InvalidValue("it is empty")
        if len(text) > _MAX_TEXT:
            raise parse.InvalidValue(
                f"it has {len(text)} characters, {_MAX_TEXT} are allowed"
            )
        if not text.replace("\n", "").isprintable():
            raise parse.InvalidValue("it has a control character")
        if not option.files:
            return option.parse(text), text, source
        in_file = source.startswith(f"{option.ini_name} in ")
        base = given.ini_root if in_file else parse.HERE
        return option.parse(text, base), text, source
    except parse.InvalidValue as error:
        if option.name in {"url", "proxy"}:
            text = mask_userinfo(text)
        end = "" if str(error).endswith("?") else "."
        raise SettingsError(
            f"invalid {option.ini_name} {shorten(text, 100)!r} (from {source}):"
            f" {error}{end}"
        ) from None


def describe(settings: Settings) -> list[str]:
    """Return one line per option: its value and where it came from, no secrets."""
    texts = {
        **settings.raw,
        "url": settings.url,
        "proxy": mask_userinfo(settings.raw.get("proxy", "")),
        "status_map": settings.raw.get("status_map") or _DEFAULT_MAP_TEXT,
    }
    rows = [
        (option.ini_name, texts.get(option.name), settings.sources.get(option.name))
        for option in OPTIONS
        if option.name != "show_config"
    ]
    credential = settings.credential
    login = ""
    if credential is not None and credential.kind == "token":
        login = f"token {HIDDEN}"
    elif credential is not None:
        login = f"{credential.kind} as {credential.username}, password {HIDDEN}"
    rows.append(("login", login, credential.source if credential else None))
    width = max(len(name) for name, _, _ in rows)
    return [
        f"{name:<{width}} = {text or '(not set)'}  [{source or 'default'}]"
        for name, text, source in rows
    ]
