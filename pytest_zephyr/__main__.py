"""Runs the command `pytest-zephyr` for `python -m pytest_zephyr`."""

from __future__ import annotations

import sys

from pytest_zephyr.cli import main


if __name__ == "__main__":
    sys.exit(main())
