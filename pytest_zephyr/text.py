"""Texts: short, on one line and safe to print for people, or digests of them."""

from __future__ import annotations

from collections.abc import Iterable
import hashlib


def one_line(text: str) -> str:
    """Return *text* with every character escaped that a terminal might interpret."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def format_size(size: int) -> str:
    """Return *size* in bytes as people write it: ``512``, ``1.5K``, ``10M``."""
    for unit, factor in (("G", 1024**3), ("M", 1024**2), ("K", 1024)):
        if size >= factor:
            return f"{size / factor:.1f}".removesuffix(".0") + unit
    return str(size)


def short_digest(text: str, length: int) -> str:
    """Return *length* hexadecimal digits that stand for *text*."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:length]


def format_case(case: int | str) -> str:
    """Return a test case as messages name it: ``101``, or the Alt ID as ``'AUTH-1'``."""
    return str(case) if isinstance(case, int) else repr(case)


def some(names: Iterable[str]) -> str:
    """Return the first five of *names*, and how many more there are."""
    listed = list(names)
    more = f", … {len(listed) - 5} more" if len(listed) > 5 else ""
    return ", ".join(listed[:5]) + more


def ambiguous_alt(alt: int | str, cases: Iterable[int], place: str) -> str:
    """Return the message for an Alt ID that several test cases in *place* share."""
    ids = ", ".join(map(str, cases))
    return (
        f"the Alt ID {alt!r} belongs to several test cases in {place} ({ids}); mark the"
        f" test with one of these ids"
    )
