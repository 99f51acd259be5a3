"""The table of options: names, defaults, allowed values, and where each may stand."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass

from pytest_zephyr.config import parsers as parse
from pytest_zephyr.config.settings import CREATE
from pytest_zephyr.results.records import TARGET


@dataclass(frozen=True)
class Option:
    """One option: its name, how its text becomes a value, and where it may stand.

    A *switch* is a flag without a value. *journaled* options decide the result, so a
    journal keeps them for a later push. Those that *connect* say how to reach the
    server, which is the business of whoever pushes. The value of one of *files* names
    some: *parse* takes the directory, too, that a relative path starts from.
    """

    name: str
    help: str
    parse: Callable[..., object]
    default: str | None = None
    metavar: str | None = None
    switch: bool = False
    flag: bool = True
    env: bool = True
    ini: bool = True
    journaled: bool = False
    connects: bool = False
    files: bool = False

    @property
    def flag_name(self) -> str:
        return "--zephyr" if self.name == "zephyr" else f"--zephyr-{_dashed(self.name)}"

    @property
    def env_name(self) -> str:
        return "ZEPHYR" if self.name == "zephyr" else f"ZEPHYR_{self.name.upper()}"

    @property
    def ini_name(self) -> str:
        return "zephyr" if self.name == "zephyr" else f"zephyr_{self.name}"

    @property
    def dest(self) -> str:
        return self.ini_name


def _dashed(name: str) -> str:
    return name.replace("_", "-")


OPTIONS: tuple[Option, ...] = (
    Option("zephyr", "Report this run to Zephyr", parse.boolean, "false", switch=True),
    Option(
        "url",
        "Zephyr server, or the word sandbox for the embedded one",
        parse.url,
        metavar="URL",
        connects=True,
    ),
    Option(
        "auth",
        "How to log in: auto, token, basic or cookie",
        parse.one_of("auto", "token", "basic", "cookie"),
        "auto",
        metavar="METHOD",
        connects=True,
    ),
    Option(
        "token_file",
        "File that holds the API token",
        parse.path,
        metavar="PATH",
        connects=True,
        files=True,
    ),
    *(
        Option(
            name,
            f"{name.capitalize()} to report to: an id or an exact name",
            parse.ref,
            metavar="ID|NAME",
            journaled=True,
        )
        for name in TARGET
    ),
    Option(
        "create",
        "What may be created where it is missing: never, execution, phase or cycle",
        parse.one_of(*CREATE),
        "never",
        metavar="WHAT",
        journaled=True,
    ),
    Option(
        "environment",
        "Environment of a cycle that is created",
        parse.text,
        metavar="TEXT",
        journaled=True,
    ),
    Option(
        "build",
        "Build of a cycle that is created, and {build} in names (default: from the CI"
        " service)",
        parse.text,
        metavar="TEXT",
        journaled=True,
    ),
    Option(
        "unknown_case",
        "What an id that Zephyr does not know is: ignore, warn or error",
        parse.one_of("ignore", "warn", "error"),
        "warn",
        metavar="POLICY",
        journaled=True,
    ),
    Option(
        "unmapped",
        "What a test without a marker is: ignore, warn, error or create (a test case)",
        parse.one_of("ignore", "warn", "error", "create"),
        "ignore",
        metavar="POLICY",
        journaled=True,
    ),
    Option(
        "folder",
        "Repository folder of test cases that are created",
        parse.text,
        "Automation/{package}",
        metavar="PATH",
        journaled=True,
    ),
    Option(
        "only_planned",
        "Run only tests whose test case is in the phase",
        parse.boolean,
        "false",
        switch=True,
    ),
    Option(
        "push",
        "When to send: end, or never (write the journal only)",
        parse.one_of("end", "never"),
        "end",
        metavar="WHEN",
    ),
    Option(
        "journal",
        "Directory of the journals, relative to the rootdir",
        parse.path,
        ".zephyr",
        metavar="DIR",
        files=True,
    ),
    Option(
        "dry_run",
        "Read, plan and print; write nothing to the server",
        parse.boolean,
        "false",
        switch=True,
    ),
    Option(
        "on_error",
        "What an undelivered result does: warn, fail (exit code 8) or ignore",
        parse.one_of("warn", "fail", "ignore"),
        "warn",
        metavar="POLICY",
    ),
    Option(
        "status_map",
        "Outcome to status name or id, as error=Blocked,skipped=-",
        parse.status_map,
        "",
        metavar="MAP",
        journaled=True,
    ),
    Option(
        "comment",
        "When to write notes on an execution: never, failed or always",
        parse.one_of("never", "failed", "always"),
        "failed",
        metavar="WHEN",
        journaled=True,
    ),
    Option(
        "notes_limit",
        "Characters that the notes of an execution may have",
        parse.characters,
        "4000",
        flag=False,
        env=False,
        journaled=True,
    ),
    Option(
        "capture",
        "Attach captured stdout, stderr and log: none, failed or all",
        parse.one_of("none", "failed", "all"),
        "none",
        metavar="WHEN",
    ),
    Option(
        "attach_max_size",
        "Largest attachment, as 500K, 10M or 1G",
        parse.size,
        "10M",
        metavar="SIZE",
    ),
    Option(
        "attach_max_total",
        "Size of all attachments of a run",
        parse.size,
        "2G",
        flag=False,
        env=False,
    ),
    Option(
        "timeout", "Seconds for one request", parse.seconds, "30", metavar="SECONDS"
    ),
    Option("retries", "Repeats of one request", parse.count, "3", metavar="N"),
    Option(
        "deadline",
        "Seconds for everything at the end of the session",
        parse.seconds,
        "300",
        metavar="SECONDS",
    ),
    Option(
        "verify",
        "Check TLS certificates: true, false, or a path to trusted ones",
        parse.verify,
        "true",
        metavar="BOOL|PATH",
        connects=True,
        files=True,
    ),
    Option(
        "client_cert",
        "TLS client certificate: a PEM file, or certificate,key",
        parse.client_cert,
        metavar="PATH",
        connects=True,
        files=True,
    ),
    Option("proxy", "HTTP proxy", parse.proxy, metavar="URL", connects=True),
    Option(
        "run_key",
        "Name of the run; jobs with one key are one run",
        parse.text,
        metavar="TEXT",
        journaled=True,
    ),
    Option(
        "show_config",
        "Print every value and where it came from, and exit",
        parse.boolean,
        "false",
        switch=True,
        env=False,
        ini=False,
    ),
    Option(
        "id_prefix",
        "Regular expression of what may stand before an id in a marker",
        parse.pattern,
        "(?:TC-?)?",
        flag=False,
        env=False,
    ),
    Option(
        "inherit",
        "Which markers count: closest, or union of all levels",
        parse.one_of("closest", "union"),
        "closest",
        flag=False,
        env=False,
    ),
)


BY_NAME: Mapping[str, Option] = {option.name: option for option in OPTIONS}


#: The markers, as `pytest --markers` shows them.
MARKERS = (
    (
        "zephyr(*ids, alt=None, by_id=None, defects=None, comment=None, fields=None,"
        " requirements=None): report this test to these Zephyr test cases"
    ),
    "zephyr_ignore: never report this test to Zephyr",
)


#: Names that look like a way to pass a credential, and the place where it belongs.
#: They are recognised as flags and ini keys only to be refused.
REFUSED: Mapping[str, str] = {
    "token": "ZEPHYR_TOKEN in the environment, or in a file named by zephyr_token_file",
    "username": "ZEPHYR_USERNAME in the environment",
    "password": "ZEPHYR_PASSWORD in the environment",
}


def refusal(name: str, where: str) -> str:
    """Say that a credential was found *where* it must not be, without showing it."""
    return (
        f"{where}: a credential is not taken from there. It belongs in {REFUSED[name]}."
    )
