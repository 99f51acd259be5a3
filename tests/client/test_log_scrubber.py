"""What urllib3 logs while a call is under way holds no secret."""

from __future__ import annotations

import logging

import pytest

from pytest_zephyr.client.log_scrubber import LogScrubber
from pytest_zephyr.secret import Scrubber


SECRET = "c00kie-4f2a"


@pytest.mark.parametrize("name", ["urllib3.connectionpool", "urllib3.util.retry"])
def test_records_of_the_libraries_are_scrubbed_in_the_block_only(caplog, name):
    """In message, arguments and traceback; what tests log later is as they wrote it."""
    caplog.set_level(logging.DEBUG)
    logger = logging.getLogger(name)

    def log() -> str:
        caplog.clear()
        try:
            raise ValueError(f"unparsed: {SECRET}")
        except ValueError:
            logger.warning("Failed to parse %s", SECRET, exc_info=True)
        (record,) = caplog.records
        return f"{caplog.text} {record.msg} {record.args}"

    with LogScrubber(Scrubber([SECRET])):
        inside = log()

    assert SECRET not in inside
    assert "Failed to parse <hidden>" in inside
    assert "ValueError: unparsed: <hidden>" in inside
    assert f"Failed to parse %s ({SECRET!r},)" in log()


def test_a_record_without_a_secret_is_as_it_was(caplog):
    caplog.set_level(logging.DEBUG)
    with LogScrubber(Scrubber([SECRET])):
        logging.getLogger("urllib3.connectionpool").debug("%s connections", 3)
    (record,) = caplog.records

    assert (record.msg, record.args) == ("%s connections", (3,))


def test_other_loggers_are_left_alone(caplog):
    with LogScrubber(Scrubber([SECRET])):
        logging.getLogger("shop.urllib3").warning("%s", SECRET)

    assert SECRET in caplog.text
