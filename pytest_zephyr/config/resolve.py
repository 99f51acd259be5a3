"""Build the settings from flags, environment, journals, ini files and the CI service."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from pathlib import Path
import re
from typing import Any
from typing import NamedTuple

from pytest_zephyr import table
from pytest_zephyr.config import ci
from pytest_zephyr.config import parsers as parse
from pytest_zephyr.config import placeholders
from pytest_zephyr.config.credentials import find_credential
from pytest_zephyr.config.options import BY_NAME
from pytest_zephyr.config.options import Option
from pytest_zephyr.config.options import OPTIONS
from pytest_zephyr.config.settings import Ref
from pytest_zephyr.config.settings import SANDBOX
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.config.settings import Source
from pytest_zephyr.errors import InvalidValue
from pytest_zephyr.errors import SettingsError
from pytest_zephyr.results.status import DEFAULT_MAP
from pytest_zephyr.results.status import NO_STATUS
from pytest_zephyr.secret import HIDDEN
from pytest_zephyr.secret import mask_userinfo
from pytest_zephyr.table import TARGET_OPTIONS
from pytest_zephyr.text import MAX_NAME_LENGTH
from pytest_zephyr.text import shorten


#: How many characters an option may have. A longer text is a mistake in a pipeline.
_MAX_LENGTH = 4096

#: Characters that no option may have: those that control a terminal, other separators of
#: lines than the line break, and half a surrogate pair.
_CONTROL_CHARACTER = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]"
)

_DEFAULT_MAP_TEXT = ",".join(
    f"{outcome.value}={status}"
    for outcome, status in DEFAULT_MAP.items()
    if status != NO_STATUS
)

#: Options that decide how the results of one journal are reported.
_RESULT_OPTIONS = (
    *("status_map", "comment", "notes_limit"),
    *("create", "unmapped", "unknown_case", "folder"),
)


@dataclass(frozen=True)
class OptionSources:
    """The sources of the options, and the value that each source has for them.

    The keys of *environ* are names of variables, those of the other mappings are names of
    options. *journal_options* are those in the header of the journal *journal_name*; if
    they are not `None`, journaled options come only from there or from a flag.
    *overrides* has the options that ``-o`` sets, *ini* those in *ini_file*. *config_file*
    is the ini file that a command to paste must name with ``-c``, `None` if it need not
    name any.
    """

    flags: Mapping[str, object] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    journal_options: Mapping[str, str] | None = None
    journal_name: str = "journal"
    overrides: Mapping[str, object] = field(default_factory=dict)
    ini: Mapping[str, object] = field(default_factory=dict)
    ini_file: Path = Path("ini")
    config_file: Path | None = None

    def find(self, option: Option) -> tuple[str, Source] | None:
        """Return the text of *option* and the first source that has it, `None` if none has."""
        for text, source in self._sources(option):
            # An empty value means "not set", as that of a variable does in CI services.
            # But an empty flag was typed, so it counts.
            if text.strip() or source.kind == "flag":
                return text.strip(), source
        return None

    def _sources(self, option: Option) -> Iterator[tuple[str, Source]]:
        name, ini_name = option.name, option.ini_name
        if option.has_flag and self.flags.get(name) is not None:
            yield as_text(self.flags[name]), Source("flag", option.flag_name)
        if option.journaled and self.journal_options is not None:
            if name in self.journal_options:
                yield self.journal_options[name], Source("journal", self.journal_name)
            return
        if option.has_env and option.env_name in self.environ:
            source = Source("environment", option.env_name)
            yield self.environ[option.env_name], source
        if name in self.overrides:
            yield as_text(self.overrides[name]), Source("override", f"-o {ini_name}")
        if option.has_ini and name in self.ini:
            source = Source("ini", f"{ini_name} in {self.ini_file.name}")
            yield as_text(self.ini[name]), source
        if name == "run_key" and (run_key := ci.run_key(self.environ)):
            yield run_key[0], Source("ci", run_key[1])
        if name == "build":
            yield ci.find(self.environ, "build"), Source("ci", "the CI service")


class OptionValue(NamedTuple):
    """The value of an option, its text, and the source of the text."""

    value: Any = None
    text: str = ""
    source: Source = Source("default", "default")


def as_text(value: object) -> str:
    """Return a value of a flag or a TOML file as the text that an ini file would hold."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return ",".join(f"{key}={as_text(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ",".join(map(as_text, value))
    return str(value)


def value(name: str, option_sources: OptionSources) -> Any:
    """Return the value of one option. Raises SettingsError."""
    return read(BY_NAME[name], option_sources).value


def journaled_options(settings: Settings) -> dict[str, str]:
    """Return the texts of the options that a journal stores, except for defaults."""
    options = {
        option.name: settings.texts[option.name]
        for option in OPTIONS
        if option.journaled and settings.sources[option.name].kind != "default"
    }
    if settings.url is not None:
        # If no other source names this address, a push sends no credential there unless
        # the user confirms it.
        options["url"] = settings.url
    return options


def resolve(option_sources: OptionSources) -> Settings:
    """Return the settings from *option_sources*. Raises SettingsError with all problems."""
    problems: list[str] = []
    options: dict[str, OptionValue] = {}
    for option in OPTIONS:
        try:
            options[option.name] = read(option, option_sources)
        except SettingsError as error:
            problems.append(str(error))
            options[option.name] = OptionValue()
    problems += _fill_names(options, option_sources)
    unmapped, create = options["unmapped"], options["create"]
    if unmapped.value == "create" and create.value == "never":
        problems.append(
            f"'create' ({unmapped.source}) creates test cases, so zephyr_create"
            f" must be execution, phase or cycle, not never ({create.source})."
        )
    if problems:
        raise SettingsError("\n".join(problems))
    warnings: list[str] = []
    credential = None
    if options["url"].value != SANDBOX:
        auth, (token_file, _text, source) = options["auth"], options["token_file"]
        credential = find_credential(
            auth.value, token_file, source, option_sources.environ, warnings
        )
    proxy, verify = options["proxy"], options["verify"]
    if proxy.source.kind != "environment" and "@" in proxy.text:
        warnings.append(
            f"others can read the credential of the proxy in {proxy.source.name}; put the"
            f" address into ZEPHYR_PROXY in the environment."
        )
    if verify.value is False:
        warnings.append(
            f"TLS certificates are not checked ({verify.source}); anyone on the"
            f" network path can read the credential."
        )
    # The others, such as capture and id_prefix, are only checked here: each process that
    # runs tests reads them as `LocalOptions`.
    needed = options.keys() & Settings.__dataclass_fields__.keys()
    return Settings(
        **{name: options[name].value for name in needed},
        credential=credential,
        sources={name: each.source for name, each in options.items()},
        texts={name: each.text for name, each in options.items()},
        config_file=option_sources.config_file,
        pushing=option_sources.journal_options is not None,
        warnings=tuple(warnings),
    )


def settings_of_journal(
    settings: Settings,
    journal_options: Mapping[str, str],
    journal_name: str,
    *,
    keep_flags: bool,
) -> Settings:
    """Return *settings* for the results of a journal: with its own `_RESULT_OPTIONS`.

    *journal_options* are those in its header; an option that is not there has its default.
    With *keep_flags*, the flags of the push take precedence over the journal. Invalid
    values in the journal are ignored.
    """
    values: dict[str, Any] = {}
    texts, sources = dict(settings.texts), dict(settings.sources)
    option_sources = OptionSources(
        journal_options=journal_options, journal_name=journal_name
    )
    for name in _RESULT_OPTIONS:
        if keep_flags and sources[name].kind == "flag":
            continue
        with suppress(SettingsError):
            values[name], texts[name], sources[name] = read(
                BY_NAME[name], option_sources
            )
    with suppress(InvalidValue, KeyError):
        values["folder"] = placeholders.fill_folder(values["folder"], {})
    return replace(settings, **values, texts=texts, sources=sources)


def _fill_names(
    options: dict[str, OptionValue], option_sources: OptionSources
) -> Iterator[str]:
    """Fill the placeholders of names and paths in *options*; yield the problems.

    ``{package}`` in the folder differs from test to test and stays.
    """
    current_values = placeholders.values_of(
        option_sources.environ, options["run_key"].value, options["build"].value
    )
    for name in ("report", *TARGET_OPTIONS, "folder"):
        value, text, source = options[name]
        if value is None:
            continue
        # The names in a journal are filled already. A journal that was edited by hand
        # must not reveal our environment.
        values = {} if source.kind == "journal" else current_values
        try:
            if name == "report":
                value = placeholders.fill_path(value, values)
            elif name == "folder":
                value = placeholders.fill_folder(value, values)
            elif value.name is not None:
                value = Ref(name=_fill_name(value.name, values))
        except InvalidValue as error:
            yield _describe_invalid(name, text, source, error)
            continue
        text = value.option_text if isinstance(value, Ref) else str(value)
        options[name] = OptionValue(value, text, source)


def _check_text(text: str) -> None:
    """Raise InvalidValue if no option can have *text*, which has no white space around it."""
    if not text:
        raise InvalidValue("it is empty")
    if len(text) > _MAX_LENGTH:
        raise InvalidValue(f"it has {len(text)} characters, {_MAX_LENGTH} are allowed")
    if _CONTROL_CHARACTER.search(text):
        raise InvalidValue("it has a control character")


def _fill_name(text: str, values: Mapping[str, str]) -> str:
    name = placeholders.fill(text, values)
    _check_text(name.strip())
    if len(name) > MAX_NAME_LENGTH:
        raise InvalidValue(
            f"it has {len(name)} characters, a name in Zephyr has at most {MAX_NAME_LENGTH}"
        )
    return name


def read(option: Option, option_sources: OptionSources) -> OptionValue:
    """Return the value of *option* with its text and source. Raises SettingsError."""
    text_and_source = option_sources.find(option)
    if text_and_source is None:
        default = option.default
        value = None if default is None else option.parse(default)
        return OptionValue(value, default or "")
    text, source = text_and_source
    if not text and option.name in TARGET_OPTIONS:
        # An empty flag unsets an inherited value.
        return OptionValue(source=source)
    try:
        _check_text(text)
        if not option.names_files:
            return OptionValue(option.parse(text), text, source)
        base = option_sources.ini_file.parent if source.kind == "ini" else parse.HERE
        return OptionValue(option.parse(text, base), text, source)
    except InvalidValue as error:
        message = _describe_invalid(option.name, text, source, error)
        raise SettingsError(message) from None


def _describe_invalid(name: str, text: str, source: Source, error: InvalidValue) -> str:
    """Return the message for the *text* of option *name*, without a credential."""
    if name in {"url", "proxy"}:
        text = mask_userinfo(text)
    key, end = table.ini_of(name), "" if str(error).endswith("?") else "."
    return f"invalid {key} {shorten(text, 100)!r} ({source}): {error}{end}"


def describe(settings: Settings) -> list[str]:
    """Return a line with value and source for each option, and one for the login.

    The option ``show_config`` has no line. No line contains a secret.
    """
    texts = {
        **settings.texts,
        "url": settings.url,
        "proxy": mask_userinfo(settings.texts["proxy"]),
        "status_map": settings.texts["status_map"] or _DEFAULT_MAP_TEXT,
    }
    rows = [
        (option.ini_name, texts[option.name], settings.sources[option.name].name)
        for option in OPTIONS
        if option.name != "show_config"
    ]
    credential = settings.credential
    login = ""
    if credential is not None and credential.kind == "token":
        login = f"token {HIDDEN}"
    elif credential is not None:
        login = f"{credential.kind} as {credential.username}, password {HIDDEN}"
    rows.append(("login", login, credential.source if credential else "default"))
    width = max(len(name) for name, _, _ in rows)
    return [
        f"{name:<{width}} = {text or '(not set)'}  [{source}]"
        for name, text, source in rows
    ]
