"""The options as pytest declares them: names and helps, plain values only.

Every run of pytest in an environment loads this, whether it reports or not, so that it
imports nothing.
"""

from __future__ import annotations


#: Each option: its name, its help, and what its help shows for the value: an empty text for a
#: switch, `None` for an option without a flag.
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
        "What an id that Zephyr does not know is: ignore, warn or error",
        "POLICY",
    ),
    (
        "unmapped",
        "What a test without a marker is: ignore, warn, error or create (a test case)",
        "POLICY",
    ),
    ("folder", "Repository folder of test cases that are created", "PATH"),
    ("only_planned", "Run only tests whose test case is in the phase", ""),
    ("push", "When to send: end, or never (write the journal only)", "WHEN"),
    ("journal", "Directory of the journals, relative to the rootdir", "DIR"),
    ("dry_run", "Read, plan and print; write nothing to the server", ""),
    (
        "on_error",
        "What an undelivered result does: warn, fail (exit code 8) or ignore",
        "POLICY",
    ),
    ("status_map", "Outcome to status name or id, as error=Blocked,skipped=-", "MAP"),
    ("comment", "When to write notes on an execution: never, failed or always", "WHEN"),
    ("notes_limit", "Characters that the notes of an execution may have", None),
    ("capture", "Attach captured stdout, stderr and log: none, failed or all", "WHEN"),
    ("attach_max_size", "Largest attachment, as 500K, 10M or 1G", "SIZE"),
    ("attach_max_total", "Size of all attachments of a run", None),
    ("timeout", "Seconds for one request", "SECONDS"),
    ("retries", "Repeats of one request", "N"),
    ("deadline", "Seconds for everything at the end of the session", "SECONDS"),
    (
        "verify",
        "Check TLS certificates: true, false, or a path to trusted ones",
        "BOOL|PATH",
    ),
    ("client_cert", "TLS client certificate: a PEM file, or certificate,key", "PATH"),
    ("proxy", "HTTP proxy", "URL"),
    ("run_key", "Name of the run; jobs with one key are one run", "TEXT"),
    ("show_config", "Print every value and where it came from, and exit", ""),
    (
        "id_prefix",
        "Regular expression of what may stand before an id in a marker",
        None,
    ),
    ("inherit", "Which markers count: closest, or union of all levels", None),
)

#: Options that are no ini keys.
NO_INI = ("show_config",)

#: Names that look like a way to pass a credential. They are recognised as flags and ini
#: keys only to be refused.
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
