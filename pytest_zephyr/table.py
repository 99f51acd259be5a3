"""Options and markers as they are declared to pytest: names, help texts and defaults.

Every run of pytest loads this module, even one that reports nothing, so it imports
nothing.
"""

from __future__ import annotations


#: The default of the option ``id_prefix``.
DEFAULT_ID_PREFIX = "(?:TC-?)?"

#: Name, help text, metavar and default of each option. The metavar is empty for a switch,
#: and `None` for an option without a flag. A default of `None` leaves an option unset.
_ROWS: tuple[tuple[str, str, str | None, str | None], ...] = (
    ("zephyr", "Report this run to Zephyr", "", "false"),
    ("url", "Zephyr server, or the word sandbox for the embedded one", "URL", None),
    (
        "auth",
        "How to log in: auto (a token if there is one, else basic), token, basic or cookie",
        "METHOD",
        "auto",
    ),
    ("token_file", "File that holds the API token", "PATH", None),
    ("project", "Project to report to: an id or an exact name", "ID|NAME", None),
    ("release", "Release to report to: an id or an exact name", "ID|NAME", None),
    ("cycle", "Cycle to report to: an id or an exact name", "ID|NAME", None),
    ("phase", "Phase to report to: an id or an exact name", "ID|NAME", None),
    (
        "create",
        "What may be created if it is missing: never, execution, phase or cycle",
        "WHAT",
        "never",
    ),
    ("environment", "Environment of a cycle that is created", "TEXT", None),
    (
        "build",
        "Build of a cycle that is created, and {build} in names (default: from the CI service)",
        "TEXT",
        None,
    ),
    (
        "unknown_case",
        "How to treat an id that Zephyr does not know: ignore, warn or error",
        "POLICY",
        "warn",
    ),
    (
        "unmapped",
        "How to treat a test that names no test case: ignore, warn, error, or create one",
        "POLICY",
        "ignore",
    ),
    (
        "folder",
        "Repository folder of test cases that are created",
        "PATH",
        "Automation/{package}",
    ),
    (
        "map",
        "CSV or JSON file that names the test cases of tests without a marker",
        "FILE",
        None,
    ),
    ("only_planned", "Run only tests whose test case is in the phase", "", "false"),
    (
        "push",
        "When to send: end, or never, which only writes the journal",
        "WHEN",
        "end",
    ),
    ("journal", "Directory of the journals, relative to the rootdir", "DIR", ".zephyr"),
    ("dry_run", "Read, plan and print; write nothing to the server", "", "false"),
    (
        "on_error",
        "How to treat undelivered results: warn, fail (exit code 8) or ignore",
        "POLICY",
        "warn",
    ),
    (
        "status_map",
        "Status name or id for an outcome, as error=Blocked,skipped=- (default: passed and xpassed to Pass, xfailed to Blocked, skipped and unrun to -, all others to Fail)",
        "MAP",
        "",
    ),
    (
        "comment",
        "When to write notes on an execution: never, failed or always",
        "WHEN",
        "failed",
    ),
    (
        "notes_limit",
        "Maximum number of characters in the notes of an execution",
        None,
        "4000",
    ),
    (
        "capture",
        "Attach captured stdout, stderr and log: none, failed or all",
        "WHEN",
        "none",
    ),
    (
        "attach_max_size",
        "Maximum size of an attachment, as 500K, 10M or 1G",
        "SIZE",
        "10M",
    ),
    ("attach_max_total", "Maximum size of all attachments of a run", None, "2G"),
    (
        "timeout",
        "Seconds to wait for a connection, or for more of an answer",
        "SECONDS",
        "30",
    ),
    ("retries", "How often to repeat a failed request", "N", "3"),
    (
        "deadline",
        "Seconds for all requests at the end of the session",
        "SECONDS",
        "300",
    ),
    (
        "verify",
        "Trusted TLS certificates: true, false, system, or a path",
        "BOOL|PATH",
        "true",
    ),
    (
        "client_cert",
        "TLS client certificate: a PEM file, or certificate,key",
        "PATH",
        None,
    ),
    (
        "proxy",
        "HTTP proxy, as http://host:port (default: from HTTPS_PROXY or HTTP_PROXY)",
        "URL",
        None,
    ),
    (
        "report",
        "Write the outcome of every test case to a file that ends in .json or .md",
        "FILE",
        None,
    ),
    (
        "run_key",
        "Name of the run; jobs with the same key are one run (default: from the CI service)",
        "TEXT",
        None,
    ),
    ("show_config", "Print every value and where it came from, and exit", "", "false"),
    (
        "id_prefix",
        "Regular expression for a prefix of test case ids (default: TC or TC-, in any case)",
        None,
        DEFAULT_ID_PREFIX,
    ),
    (
        "inherit",
        "Which markers count: closest, or union of all levels",
        None,
        "closest",
    ),
)


def _with_default(text: str, metavar: str | None, default: str | None) -> str:
    """Return the help *text* with the *default* appended.

    The text is not changed if there is no default, if it describes the default itself,
    or if it is that of a switch.
    """
    is_complete = metavar == "" or "default:" in text
    return f"{text} (default: {default})" if default and not is_complete else text


#: The rows of `_ROWS`, with the default in the help text.
ROWS = tuple(
    (name, _with_default(text, metavar, default), metavar, default)
    for name, text, metavar, default in _ROWS
)

#: The environment variable that names the file into which pytest writes the tests that
#: it collects for `pytest-zephyr drift`.
COLLECTED_VARIABLE = "_ZEPHYR_COLLECTED"

#: The options that name the target, from the project down.
TARGET_OPTIONS = ("project", "release", "cycle", "phase")

#: Options that cannot be set in an ini file.
NO_INI = ("show_config",)

#: Options that exist only to reject a credential in a flag or an ini file.
REFUSED_OPTIONS = ("token", "username", "password")

#: The markers, as they are declared to pytest.
MARKERS = (
    (
        "zephyr(*ids, alt=None, by_id=None, defects=None, comment=None, fields=None,"
        " requirements=None): report this test to these Zephyr test cases"
    ),
    "zephyr_ignore: never report this test to Zephyr",
)


def flag_of(name: str) -> str:
    """Return the flag of option *name*."""
    return "--zephyr" if name == "zephyr" else f"--zephyr-{name.replace('_', '-')}"


def ini_of(name: str) -> str:
    """Return the ini key of option *name*, which is also the ``dest`` of its flag."""
    return "zephyr" if name == "zephyr" else f"zephyr_{name}"


def env_of(name: str) -> str:
    """Return the environment variable of option *name*."""
    return ini_of(name).upper()
