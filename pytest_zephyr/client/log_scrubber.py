"""What the libraries below log while we talk to a server, without its secrets."""

from __future__ import annotations

import logging
import traceback
from types import TracebackType
from typing import TYPE_CHECKING

from pytest_zephyr.secret import Scrubber


if TYPE_CHECKING:
    from typing_extensions import Self

_LIBRARIES = ("urllib3", "requests")


class LogScrubber(logging.Filter):
    """Scrubs what the HTTP libraries log in a block; the logs of tests stay theirs.

    A filter of a logger does not see what its children log, so that it is added to
    every one of them.
    """

    def __init__(self, scrub: Scrubber) -> None:
        super().__init__()
        self._scrub = scrub
        self._loggers = [
            logging.getLogger(name)
            for name in list(logging.root.manager.loggerDict)
            if name.partition(".")[0] in _LIBRARIES
        ]

    def __enter__(self) -> Self:
        for logger in self._loggers:
            logger.addFilter(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for logger in self._loggers:
            logger.removeFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        clean = self._scrub(message)
        if clean != message:
            record.msg, record.args = clean, ()
        if record.exc_info and record.exc_info[0] is not None:
            text = "".join(traceback.format_exception(*record.exc_info))
            clean = self._scrub(text)
            if clean != text:
                record.exc_info, record.exc_text = None, clean.rstrip()
        return True
