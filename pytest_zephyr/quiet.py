"""What the libraries below log while we talk to a server, without its secrets."""

from __future__ import annotations

import logging

from pytest_zephyr.secret import Scrubber


_LIBRARIES = ("urllib3", "requests")


class LogScrubber(logging.Filter):
    """Scrubs what the HTTP libraries log, until it is closed.

    A filter of a logger does not see what its children log, so that it is added to
    every one of them.
    """

    def __init__(self, scrub: Scrubber) -> None:
        super().__init__()
        self._scrub = scrub
        names = [*_LIBRARIES, *logging.root.manager.loggerDict]
        self._loggers = [
            logging.getLogger(name)
            for name in names
            if name.partition(".")[0] in _LIBRARIES
        ]
        for logger in self._loggers:
            logger.addFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self._scrub(record.getMessage()), ()
        # A traceback is formatted by handlers, where nobody would scrub it.
        record.exc_info = None
        return True

    def close(self) -> None:
        for logger in self._loggers:
            logger.removeFilter(self)
