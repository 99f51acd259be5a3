"""The settings of a session or a push: every value, and where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
import importlib.util
import math
from pathlib import Path
import re
from typing import get_args
from typing import Literal

from pytest_zephyr import table
from pytest_zephyr.clock import Deadline
from pytest_zephyr.config import placeholders
from pytest_zephyr.errors import SettingsError
from pytest_zephyr.results import notes
from pytest_zephyr.results import status
from pytest_zephyr.results import tags
from pytest_zephyr.results.plan import Rules
from pytest_zephyr.results.records import Outcome
from pytest_zephyr.secret import mask_userinfo
from pytest_zephyr.secret import Secret
from pytest_zephyr.table import TARGET_OPTIONS


#: The URL that stands for the embedded server, and the name of the server's database in
#: the directory of journals.
SANDBOX = "sandbox"
SANDBOX_DATABASE = "sandbox.db"

Auth = Literal["auto", "token", "basic", "cookie"]
Capture = Literal["none", "failed", "all"]
Inherit = Literal["closest", "union"]
OnError = Literal["warn", "fail", "ignore"]
PushWhen = Literal["end", "never"]
UnknownCase = Literal["ignore", "warn", "error"]
Unmapped = Literal["ignore", "warn", "error", "create"]
Create = Literal["never", "execution", "phase", "cycle"]

#: What may be created; each value includes the ones before it.
CREATE_LEVELS: tuple[Create, ...] = get_args(Create)

_SET_USERNAME = "Set ZEPHYR_USERNAME and ZEPHYR_PASSWORD in the environment."
#: The message for a missing credential, by the method to log in.
_NO_CREDENTIAL: Mapping[Auth, str] = {
    "auto": "no credential. Set ZEPHYR_TOKEN in the environment (or zephyr_token_file),"
    " or ZEPHYR_USERNAME and ZEPHYR_PASSWORD.",
    "token": "no token. Set ZEPHYR_TOKEN in the environment, or name a file that holds"
    " the token with zephyr_token_file.",
    "basic": f"no credential for zephyr_auth = basic. {_SET_USERNAME}",
    "cookie": f"no credential for zephyr_auth = cookie. {_SET_USERNAME}",
}


@dataclass(frozen=True)
class Ref:
    """A project, release, cycle or phase, by id or by exact name."""

    id: int | None = None
    name: str | None = None

    def __str__(self) -> str:
        return f"id {self.id}" if self.id is not None else repr(self.name)

    @property
    def option_text(self) -> str:
        """A text that gives an option this value, even if the name looks like an id."""
        if self.name is None:
            return str(self.id)
        text = placeholders.escape(self.name)
        # Without ``name:``, a number would be an id, a dash would begin a flag, and
        # ``id:`` or ``name:`` in the name would not be a part of it.
        is_plain = not re.match(r"-|id:|name:|\d+$", text.strip())
        return text if is_plain else f"name:{text}"


@dataclass(frozen=True)
class Source:
    """Where the value of an option came from: the *kind* of source, and its *name*.

    As a text, for a sentence, it is ``from ZEPHYR_URL`` or ``the default``.
    """

    kind: Literal["flag", "journal", "environment", "override", "ini", "ci", "default"]
    name: str

    def __str__(self) -> str:
        return "the default" if self.kind == "default" else f"from {self.name}"


@dataclass(frozen=True)
class Credential:
    """How to log in, with the source of the credential for messages."""

    kind: Literal["token", "basic", "cookie"]
    source: str
    username: str = ""
    secret: Secret = field(default_factory=lambda: Secret(""))

    def __str__(self) -> str:
        if self.kind == "token":
            return f"the owner of the token in {self.source}"
        return self.username


@dataclass(frozen=True)
class Settings:
    """Every value that a session or a push needs to report results.

    - *sources* maps the name of an option to where its value came from.
    - *texts* maps the name of an option to a text that gives it this value; placeholders
      in names are filled there.
    - *config_file* is the ini file that a command to paste must name with ``-c``, `None`
      if it need not name any.
    - *journal* is the directory of journals, not one of them.
    - *pushing* says that these are the settings of `pytest-zephyr push`. No journal
      stores the flags of that command, so a command to paste must repeat them.
    - *embedded* says that *url* is the address of the embedded server. Before that runs,
      *url* is ``sandbox``.

    Times are in seconds.
    """

    url: str | None
    auth: Auth
    project: Ref | None
    release: Ref | None
    cycle: Ref | None
    phase: Ref | None
    create: Create
    environment: str | None
    build: str | None
    unknown_case: UnknownCase
    unmapped: Unmapped
    folder: str
    only_planned: bool
    push: PushWhen
    journal: Path
    dry_run: bool
    on_error: OnError
    status_map: Mapping[str, str]
    comment: notes.CommentMode
    notes_limit: int
    timeout: float
    retries: int
    deadline: float
    verify: Literal["system"] | bool | Path
    client_cert: tuple[Path, ...] | None
    proxy: str | None = field(repr=False)
    report: Path | None
    run_key: str | None
    credential: Credential | None = None
    sources: Mapping[str, Source] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict, repr=False)
    config_file: Path | None = None
    pushing: bool = False
    embedded: bool = False
    warnings: tuple[str, ...] = ()

    def rules(self, statuses: Sequence[status.Status]) -> Rules:
        """Return the rules for results on a server that has *statuses*."""
        limit = self.notes_limit - tags.room_in(self.notes_limit)
        return Rules(self.choices(statuses), notes.NotesOptions(self.comment, limit))

    def choices(
        self, statuses: Sequence[status.Status]
    ) -> dict[Outcome, status.Choice]:
        """Return the choice for each outcome on a server that has *statuses*."""
        source = str(self.sources["status_map"])
        return status.choices(self.status_map, source, statuses)

    def describe(self, name: str) -> str:
        """Return the value of setting *name* with its source, for a message."""
        text = self.texts[name]
        if name in {"url", "proxy"}:
            text = mask_userinfo(text)
        if name in TARGET_OPTIONS:
            # Placeholders are filled already: this makes doubled braces single.
            text = placeholders.fill(text, {})
        return f"{text!r} ({self.sources[name]})"

    def time_budget(self, limit: float = math.inf, reason: str = "") -> Deadline:
        """Return the user's time budget, or *limit* seconds if that is shorter.

        *reason* is what a message says about the *limit*.
        """
        if limit < self.deadline:
            return Deadline(limit, reason)
        return Deadline(self.deadline, "zephyr_deadline")

    def target_path(self, found_names: Mapping[str, str] | None = None) -> str:
        """Return the project, release, cycle and phase that are set, for messages.

        Each is shown by its name in *found_names*, which are from the server, otherwise
        by its name in the settings, or by its id.
        """
        names = found_names or {}
        refs: dict[str, Ref | None] = {
            name: getattr(self, name) for name in TARGET_OPTIONS
        }
        return " > ".join(
            names.get(kind) or ref.name or f"id {ref.id}"
            for kind, ref in refs.items()
            if ref is not None
        )

    @property
    def has_only_phase(self) -> bool:
        """Whether no place above the phase is set."""
        return not (self.project or self.release or self.cycle)

    def may_create(self, kind: Create) -> bool:
        """Return whether a missing *kind* may be created."""
        return CREATE_LEVELS.index(self.create) >= CREATE_LEVELS.index(kind)

    def require_login(self) -> None:
        """Raise SettingsError unless there is a server, and a credential for it.

        The embedded server needs no credential.
        """
        if self.url is None:
            raise SettingsError(
                "no server. Set zephyr_url in pytest.ini or ZEPHYR_URL in the environment"
                " to its address, or try --zephyr-url sandbox."
            )
        if self.credential is None and self.url != SANDBOX:
            raise SettingsError(_NO_CREDENTIAL[self.auth])

    def require_push_settings(self, journal: Path | None = None) -> None:
        """Raise SettingsError unless all is set that is needed to send results.

        That is a server, a credential, what leads to the phase, and, if test cases may be
        created, a release for them. For the embedded server, only its libraries have to be
        installed. If a *journal* is pushed, the message about a missing place names the
        journal, and the flag that sets the place.
        """
        if self.url == SANDBOX:
            require_sandbox()
            return
        problems = []
        try:
            self.require_login()
        except SettingsError as error:
            problems.append(str(error))
        problems += [
            missing_place_message(name, journal) for name in self.missing_places()
        ]
        if self.unmapped == "create" and self.release is None:
            problems.append(
                f"no release, which {self.describe('unmapped')} needs: test cases are"
                f" created in it. Set zephyr_release to a name or an id."
            )
        if problems:
            raise SettingsError("\n".join(problems))

    def missing_places(self, lowest: str = "phase") -> list[str]:
        """Return the places that must still be set to find the place *lowest*.

        A place with an id needs no place above it.
        """
        missing: list[str] = []
        for name in TARGET_OPTIONS[TARGET_OPTIONS.index(lowest) :: -1]:
            ref: Ref | None = getattr(self, name)
            if ref is None:
                missing.insert(0, name)
            elif ref.id is not None:
                break
        return missing

    def require_place(self, name: str) -> None:
        """Raise SettingsError unless the place *name* and those above it can be found."""
        if missing := self.missing_places(name):
            raise SettingsError("\n".join(map(missing_place_message, missing)))


def require_sandbox() -> None:
    """Raise SettingsError unless the libraries of the embedded server are installed."""
    for name in ("flask", "sqlalchemy"):
        if importlib.util.find_spec(name) is None:
            raise SettingsError(
                f"the embedded server needs {name}, which is not installed."
                f" Install it with: pip install 'pytest-zephyr[sandbox]'"
            )


def missing_place_message(name: str, journal: Path | None = None) -> str:
    """Return the message for a project, release, cycle or phase that is not set."""
    if journal is not None:
        return (
            f"no {name} in {journal}. Give a name or an id with {table.flag_of(name)}."
        )
    return (
        f"no {name}. Set {table.ini_of(name)} in pytest.ini or {table.env_of(name)} in the"
        f" environment to a name or an id."
    )
