"""The options as pytest declares them: names and help texts.

Every run of pytest loads this module, even if it reports nothing, so it imports nothing.
"""

from __future__ import annotations


#: Name, help text and metavar of each option. The metavar is empty for a switch, and
#: `None` for an option without a flag.
ROWS: tuple[tuple[str, str, str | None], ...] = (
    ("zephyr", "Report this run to Zephyr", ""),
    ("url", "Zephyr server, or the word sandbox for the embedded one", "URL"),
    ("auth", "How to log in: auto, token, basic or cookie", "METHOD"),
    ("token_file", "File that holds the API token", "PATH"),
    ("project", "Project to report to: an id or an exact name", "ID|NAME"),
    ("release", "Release to report to: an id or an exact name", "ID|NAME"),
    ("cycle", "Cycle to report to: an id or an exact name", "ID|NAME"),
    ("phase", "Phase to report to: an id or an exact name", "ID|NAME"),
    (
        "create",
        "What may be created where it is missing: never, execution, phase or cycle",
        "WHAT",
    ),
    ("environment", "Environment of a cycle that is created", "TEXT"),
    (
        "build",
        "Build of a cycle that is created, and {build} in names (default: from the CI service)",
        "TEXT",
    ),
    (
        "unknown_case",
        "What to do about an id that Zephyr does not know: ignore, warn or error",
        "POLICY",
    ),
    (
        "unmapped",
        "What to do about a test without a marker: ignore, warn, error or create (a case)",
        "POLICY",
    ),
    ("folder", "Repository folder of test cases that are created", "PATH"),
    (
        "map",
        "CSV or JSON file that names the test cases of tests without a marker",
        "FILE",
    ),
    ("only_planned", "Run only tests whose test case is in the phase", ""),
    ("push", "When to send: end, or never (write the journal only)", "WHEN"),
    ("journal", "Directory of the journals, relative to the rootdir", "DIR"),
    ("dry_run", "Read, plan and print; write nothing to the server", ""),
    (
        "on_error",
        "What to do about undelivered results: warn, fail (exit code 8) or ignore",
        "POLICY",
    ),
    (
        "status_map",
        "Status name or id for an outcome, as error=Blocked,skipped=-",
        "MAP",
    ),
    ("comment", "When to write notes on an execution: never, failed or always", "WHEN"),
    ("notes_limit", "Maximum number of characters in the notes of an execution", None),
    ("capture", "Attach captured stdout, stderr and log: none, failed or all", "WHEN"),
    ("attach_max_size", "Maximum size of an attachment, as 500K, 10M or 1G", "SIZE"),
    ("attach_max_total", "Maximum size of all attachments of a run", None),
    ("timeout", "Seconds for one request", "SECONDS"),
    ("retries", "How often to repeat a failed request", "N"),
    ("deadline", "Seconds for all requests at the end of the session", "SECONDS"),
    (
        "verify",
        "Check TLS certificates: true, false, or a path to trusted ones",
        "BOOL|PATH",
    ),
    ("client_cert", "TLS client certificate: a PEM file, or certificate,key", "PATH"),
    ("proxy", "HTTP proxy", "URL"),
    (
        "report",
        "Write what became of every test case to a file that ends in .json or .md",
        "FILE",
    ),
    ("run_key", "Name of the run; jobs with the same key are one run", "TEXT"),
    ("show_config", "Print every value and where it came from, and exit", ""),
    (
        "id_prefix",
        "Regular expression for a prefix of the ids in markers",
        None,
    ),
    ("inherit", "Which markers count: closest, or union of all levels", None),
)

#: The default of the option ``id_prefix``.
ID_PREFIX = "(?:TC-?)?"

#: The variable with the file for the tests that `pytest-zephyr drift` collects.
COLLECTED = "_ZEPHYR_COLLECTED"

#: Options that cannot be set in an ini file.
NO_INI = ("show_config",)

#: Flags and ini keys that are recognised only to reject a credential.
REFUSED = ("token", "username", "password")

#: The markers, as `pytest --markers` shows them.
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
    """Return the ini key of option *name*, which pytest's namespace has as well."""
    return "zephyr" if name == "zephyr" else f"zephyr_{name}"
