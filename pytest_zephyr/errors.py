"""The exceptions of this package.

ZephyrError
  + SettingsError           a setting is wrong or missing
  + ZephyrUnreachable       no answer; trying again may help
      - ZephyrWriteUncertain       a write got no answer: it may have happened or not
  + ZephyrRefused           an answer we cannot use; carries method, path, status
      - ZephyrUnauthorized  401, 403
      - ZephyrNotFound      404, 405, 410, or a name nobody on the server has
  + JournalError            a journal cannot be read
      - NotAJournal         a file that is something else, or has no first line

Every message is one line for a person: what did not work, with which value from
where, and what to do next. None of them holds a secret.
"""

from __future__ import annotations


#: The status of a refusal that is ours: nothing on the server has the name asked for.
NO_SUCH_NAME = 0


class ZephyrError(Exception):
    """Anything this package raises on purpose."""


class SettingsError(ZephyrError):
    """One or more settings are wrong or missing; one line of text for each."""


class ZephyrUnreachable(ZephyrError):
    """The server gave no usable answer; trying again later may help.

    *tls* says that it was found, and no trusted connection to it could be made.
    """

    def __init__(self, message: str, *, tls: bool = False) -> None:
        super().__init__(message)
        self.tls = tls


class ZephyrWriteUncertain(ZephyrUnreachable):
    """A write was sent and its answer never came: it may have happened or not.

    It may also happen within the next *may_land_within* seconds, if the server was only slow.
    """

    def __init__(self, message: str, *, may_land_within: float = 0.0) -> None:
        super().__init__(message)
        self.may_land_within = may_land_within


class Interrupted(ZephyrError):
    """Somebody pressed Ctrl-C."""


class ZephyrRefused(ZephyrError):
    """The server answered, and the answer is a refusal or cannot be used."""

    def __init__(
        self, message: str, *, method: str = "", path: str = "", status: int = 0
    ) -> None:
        super().__init__(message)
        self.method = method
        self.path = path
        self.status = status


class ZephyrUnauthorized(ZephyrRefused):
    """The credential was not accepted (401) or may not do this (403)."""


class ZephyrNotFound(ZephyrRefused):
    """There is no such call on this server, or nothing has the name asked for."""


class JournalError(ZephyrError):
    """A journal cannot be read or written."""


class NotAJournal(JournalError):
    """A file that is something else, or whose first line never was written."""
