"""Texts for messages: shortened, on one line, safe to print; and digests of texts."""

from __future__ import annotations

from collections.abc import Iterable
import hashlib
from pathlib import Path


#: The most characters that the server accepts in a name.
MAX_NAME_LENGTH = 255


def one_line(text: str) -> str:
    """Return *text* with line breaks and other unprintable characters escaped."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def format_size(size: int) -> str:
    """Return a rounded text for *size*, in bytes: ``512``, ``1.5K``, ``10M``."""
    for unit, factor in (("G", 1024**3), ("M", 1024**2), ("K", 1024)):
        if size >= factor:
            return f"{size / factor:.1f}".removesuffix(".0") + unit
    return str(size)


def short_digest(text: str, length: int) -> str:
    """Return the first *length* hexadecimal digits of the SHA-256 of *text*."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:length]


def shorten_name(name: str) -> str:
    """Return *name*; if it is too long for the server, cut it and add its digest."""
    if len(name) <= MAX_NAME_LENGTH:
        return name
    return f"{name[: MAX_NAME_LENGTH - 10]}… {short_digest(name, 8)}"


def shorten(text: str, max_length: int) -> str:
    """Return *text*, cut to *max_length* characters if it has more."""
    return text if len(text) <= max_length else f"{text[: max_length - 3]}..."


def closest(text: str, choices: Iterable[str]) -> str | None:
    """Return the choice that *text* is probably a typo of, `None` if none is close."""
    from difflib import get_close_matches

    folded = {choice.casefold(): choice for choice in choices}
    close = get_close_matches(text.casefold(), list(folded), 1)
    return folded[close[0]] if close else None


def did_you_mean(text: str, choices: Iterable[str]) -> str:
    """Return a hint with the choice closest to *text*, empty if none is close."""
    close = closest(text, choices)
    return f" Did you mean {close}?" if close else ""


def format_case(case: int | str) -> str:
    """Return a test case for a message: the id as ``101``, the Alt ID as ``'AUTH-1'``."""
    return str(case) if isinstance(case, int) else repr(case)


def plural(number: int, noun: str) -> str:
    """Return a count with its noun: ``1 test``, ``2 tests``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def have(number: int) -> str:
    """Return the verb after a count: ``1 test has``, ``2 tests have``."""
    return "has" if number == 1 else "have"


def join_words(parts: Iterable[str], conjunction: str = "and") -> str:
    """Return one or more *parts* as a list in a sentence: ``a, b and c``."""
    *others, last = parts
    return f"{', '.join(others)} {conjunction} {last}" if others else last


def first_few(names: Iterable[str], count: int = 5) -> str:
    """Return the first *count* of *names* in one text, and how many more there are."""
    all_names = list(names)
    more = f", … {len(all_names) - count} more" if len(all_names) > count else ""
    return ", ".join(all_names[:count]) + more


def ambiguous_alt(alt: int | str, cases: Iterable[int], place: str) -> str:
    """Return the message for an Alt ID of several test cases in *place*."""
    ids = ", ".join(map(str, cases))
    return (
        f"the Alt ID {alt!r} belongs to several test cases in {place} ({ids}); mark the"
        f" test with one of these ids"
    )


def display_path(path: Path) -> Path:
    """Return *path* for a message: relative if it is below the working directory."""
    try:
        return path.relative_to(Path.cwd())
    except (ValueError, OSError):
        return path
