"""The test case that a test without one would get (``zephyr_unmapped = create``)."""

from __future__ import annotations

import hashlib
import inspect
from pathlib import PurePosixPath

import pytest

from pytest_zephyr.plugin.marks import function_id
from pytest_zephyr.results.records import NewCase


#: The longest name the server takes (API 5, 20), and the description we send.
MAX_NAME = 255
MAX_DESCRIPTION = 4000

#: Markers that say how to run a test rather than what it is about.
_MECHANICS = {
    "filterwarnings", "flaky", "parametrize", "skip", "skipif", "timeout", "usefixtures",
    "xdist_group", "xfail", "zephyr", "zephyr_ignore",
}  # fmt: skip


def new_case(item: pytest.Item, requirements: tuple[str, ...]) -> NewCase:
    """Return the test case for the function of *item*; parameters belong to it."""
    script = function_id(item)
    file, _, inside = script.partition("::")
    path = PurePosixPath(file)
    parts = [path.stem if path.suffix == ".py" else path.name, inside]
    return NewCase(
        package=str(path.parent) if path.parent.parts else "",
        name=fitting("::".join(filter(None, parts))),
        script=script,
        description=_description(item),
        tags=tuple(sorted({mark.name for mark in item.iter_markers()} - _MECHANICS)),
        requirements=requirements,
    )


def fitting(name: str) -> str:
    """Cut *name* to what the server takes; what was cut still tells names apart."""
    if len(name) <= MAX_NAME:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:8]
    return f"{name[: MAX_NAME - 10]}… {digest}"


def _description(item: pytest.Item) -> str:
    text = getattr(getattr(item, "obj", None), "__doc__", None)
    return inspect.cleandoc(text)[:MAX_DESCRIPTION] if isinstance(text, str) else ""
