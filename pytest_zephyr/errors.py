"""The exceptions of this package.

ZephyrError
  + SettingsError           a setting is wrong or missing
  + TargetNotFound          the target cannot be found or created
  + ZephyrUnreachable       no usable answer, or no time left; trying again may help
      - ZephyrWriteUnanswered  no usable answer to a write: it may have happened or not
  + ZephyrBadAnswer         not the answer that was asked for; carries its HTTP status
      - ZephyrUnauthorized  401, 403
      - ZephyrRefused       another status that a retry does not change, or an unusable body
          - ZephyrNotFound  404, 405, 410: the server does not have this address
  + JournalError            a journal cannot be read or written
      - NotAJournal         its first line is missing, or not that of a journal
  + JunitError              JUnit XML cannot be imported
  + Interrupted             the user pressed Ctrl-C
InvalidValue (ValueError)   the value of an option is not allowed

A message says what did not work, with which value from where, and what to do next. It is
one line, or one line for each problem. No message contains a secret.
"""

from __future__ import annotations

from typing import Literal


#: The stable names of problems, for scripts; `docs/reference/codes.md` describes them.
Code = Literal[
    "ambiguous",
    "attachment",
    "bad-answer",
    "bug",
    "error",
    "interrupted",
    "journal",
    "login-failed",
    "more",
    "not-found",
    "not-in-phase",
    "not-sent",
    "older",
    "overruled",
    "permission-denied",
    "problem",
    "refused",
    "remark",
    "report",
    "scheduled-twice",
    "settings",
    "status",
    "tls",
    "uncertain",
    "unknown-case",
    "unknown-status",
    "unmapped",
    "unreachable",
]

_CODES_BY_HTTP_STATUS: dict[int, Code] = {401: "login-failed", 403: "permission-denied"}


class ZephyrError(Exception):
    """Base class of the errors that users see; *code* is the problem's name for scripts."""

    code: Code = "error"


class SettingsError(ZephyrError):
    """One or more settings are wrong or missing; the text has one line for each."""

    code: Code = "settings"


class InvalidValue(ValueError):
    """The value of an option is not allowed.

    The message says why, or which values are allowed.
    """


class TargetNotFound(ZephyrError):
    """The target cannot be found or created with these settings.

    *option* names the option to correct, such as ``phase``; it is empty if there is none.
    *suggestion* is the value of that option that was probably meant, `None` if none is close.
    """

    code: Code = "not-found"

    def __init__(
        self, message: str, *, option: str = "", suggestion: str | None = None
    ) -> None:
        super().__init__(message)
        self.option = option
        self.suggestion = suggestion


class ZephyrUnreachable(ZephyrError):
    """The server gave no usable answer, or the time for requests is over.

    Trying again later may help. The *code* ``tls`` means that a TLS connection could
    not be made or trusted.
    """

    def __init__(self, message: str, *, code: Code = "unreachable") -> None:
        super().__init__(message)
        self.code = code


class ZephyrWriteUnanswered(ZephyrUnreachable):
    """A write was sent but got no usable answer: it may have happened or not.

    If the server is slow, the write may still happen within *may_land_within* seconds.
    """

    def __init__(self, message: str, *, may_land_within: float = 0.0) -> None:
        super().__init__(message)
        self.may_land_within = may_land_within


class Interrupted(ZephyrError):
    """The user pressed Ctrl-C."""

    code: Code = "interrupted"


class ZephyrBadAnswer(ZephyrError):
    """The server answered, but not with what was asked for."""

    def __init__(self, message: str, *, http_status: int) -> None:
        super().__init__(message)
        self.http_status = http_status
        self.code = _CODES_BY_HTTP_STATUS.get(http_status, "bad-answer")


class ZephyrUnauthorized(ZephyrBadAnswer):
    """The credential was not accepted (401) or may not do this (403)."""


class ZephyrRefused(ZephyrBadAnswer):
    """The server rejected a request, or its answer cannot be used."""


class ZephyrNotFound(ZephyrRefused):
    """The server does not have this address: the call, or the id in it, is unknown."""


class JournalError(ZephyrError):
    """A journal cannot be read or written."""


class NotAJournal(JournalError):
    """The first line of the file is missing, or not that of a journal."""


class JunitError(ZephyrError):
    """JUnit XML cannot be imported."""
