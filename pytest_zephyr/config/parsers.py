"""Parsers of option values: text in, value out, or `InvalidValue` with what is allowed."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
import difflib
from ipaddress import IPv6Address
import math
from pathlib import Path
import re
from urllib.parse import SplitResult
from urllib.parse import urlsplit
import warnings

from pytest_zephyr.config.settings import Ref
from pytest_zephyr.config.settings import SANDBOX
from pytest_zephyr.results.records import Outcome


_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}

#: Where a relative path starts: the working directory.
HERE = Path()

#: Hosts of the products that share the name, or of what they are a part of.
_OTHER_PRODUCT = re.compile(
    r"(?:^|\.)(?:atlassian\.net|jira\.com|zephyr4jiracloud\.com|tm4j\.smartbear\.com"
    r"|(?:api\.)?zephyrscale(?:\.\w+)+)$"
)


class InvalidValue(ValueError):
    """A value that cannot be used; the text says what is allowed."""


def boolean(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    msg = "allowed: true, false"
    raise InvalidValue(msg)


def one_of(*allowed: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text in allowed:
            return text
        close = difflib.get_close_matches(text, allowed, 1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise InvalidValue(f"{hint}allowed: {', '.join(allowed)}")

    return parse


def text(text: str) -> str:
    return text


def path(text: str, base: Path = HERE) -> Path:
    """Return the path of *text*; a relative one starts from *base*."""
    try:
        return base / Path(text).expanduser()
    except RuntimeError:
        msg = "there is no such user's home"
        raise InvalidValue(msg) from None


def seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < 1e6:
        msg = "allowed: a number of seconds above 0"
        raise InvalidValue(msg)
    return value


def count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 100):
        msg = "allowed: a whole number from 0 to 100"
        raise InvalidValue(msg)
    return int(text)


def size(text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,12})([KMG]?)B?", text.strip().upper())
    if match is None or not int(match[1]):
        msg = (
            "allowed: a number of bytes, with K, M or G for larger ones, as 500K or 10M"
        )
        raise InvalidValue(msg)
    return int(match[1]) * {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}[match[2]]


def characters(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 200 <= int(text) <= 1_000_000):
        msg = "allowed: a whole number of characters from 200 to 1000000"
        raise InvalidValue(msg)
    return int(text)


def ref(text: str) -> Ref:
    kind, colon, rest = text.partition(":")
    if not colon:
        kind = ""
    if kind == "name":
        if not rest:
            msg = "a name must follow name:"
            raise InvalidValue(msg)
        return Ref(name=rest)
    number = rest.strip() if kind == "id" else text
    if number.isascii() and number.isdigit() and len(number) < 19:
        return Ref(id=int(number))
    if kind == "id":
        msg = "a number must follow id:"
        raise InvalidValue(msg)
    return Ref(name=text)


def url(text: str) -> str:
    if text == SANDBOX:
        return SANDBOX
    parts = _split(text)
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        msg = "allowed: https://host, http://host, or the word sandbox"
        raise InvalidValue(msg)
    if _OTHER_PRODUCT.search(parts.hostname.rstrip(".")):
        msg = (
            "it is an address of Jira or of a Zephyr inside Jira (Scale, Squad,"
            " Essential); this plugin reports to Zephyr Enterprise, whose address is the"
            " one of its login page, as https://zephyr.example.com"
        )
        raise InvalidValue(msg)
    try:
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        port = ":0"
    if port == ":0":
        msg = "the port is not a number from 1 to 65535"
        raise InvalidValue(msg)
    if parts.username is not None or parts.password is not None:
        msg = (
            "a credential does not belong in an address; use ZEPHYR_TOKEN, or"
            " ZEPHYR_USERNAME and ZEPHYR_PASSWORD"
        )
        raise InvalidValue(msg)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    # A pasted UI address: what stands before /flex is the server.
    context = re.split(r"/flex(?:/|$)", parts.path, maxsplit=1)[0].rstrip("/")
    return f"{parts.scheme}://{host}{port}{context}"


def _split(text: str) -> SplitResult | None:
    try:
        parts = urlsplit(text)
        if "[" in parts.netloc:
            # Python 3.10 takes anything in brackets for a host.
            IPv6Address((parts.hostname or "").partition("%")[0])
        return parts
    except ValueError:
        return None


def proxy(text: str) -> str:
    parts = _split(text)
    schemes = {"http", "https", "socks5", "socks5h"}
    if parts is None or parts.scheme not in schemes or not parts.hostname:
        msg = "allowed: http://host:port"
        raise InvalidValue(msg)
    return text


def _is(question: Callable[[], bool]) -> bool:
    """Ask the file system; what it cannot answer is not so."""
    try:
        return question()
    except OSError:
        return False


def verify(text: str, base: Path = HERE) -> bool | Path:
    if text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    trusted = path(text, base)
    if not _is(trusted.exists):
        msg = "allowed: true, false, or a file or directory of certificates that exists"
        raise InvalidValue(msg)
    if _is(trusted.is_dir) and not _has_hashed_names(trusted):
        msg = (
            "OpenSSL finds certificates of a directory by hashed names, and it has none;"
            " run openssl rehash on it, or name one file that holds all of them"
        )
        raise InvalidValue(msg)
    return trusted


def _has_hashed_names(directory: Path) -> bool:
    name = re.compile(r"[0-9a-f]{8}\.[0-9]+")
    return _is(lambda: any(name.fullmatch(each.name) for each in directory.iterdir()))


def client_cert(text: str, base: Path = HERE) -> tuple[Path, ...]:
    paths = tuple(path(each.strip(), base) for each in text.split(","))
    if len(paths) > 2 or not all(_is(each.is_file) for each in paths):
        msg = "allowed: a PEM file with certificate and key, or certificate,key"
        raise InvalidValue(msg)
    return paths


def status_map(text: str) -> Mapping[str, str]:
    known = [outcome.value for outcome in Outcome]
    result: dict[str, str] = {}
    for part in filter(None, (each.strip() for each in re.split(r"[,\n]", text))):
        outcome, _, status = (each.strip() for each in part.partition("="))
        if outcome not in known:
            close = difflib.get_close_matches(outcome, known, 1)
            hint = f" Did you mean {close[0]}?" if close else ""
            raise InvalidValue(
                f"{outcome!r} is not an outcome.{hint} Outcomes: {', '.join(known)}"
            )
        if not status:
            raise InvalidValue(
                f"{outcome} needs a status: {outcome}=Blocked, or {outcome}=-"
            )
        result[outcome] = status
    return result


def pattern(text: str) -> str:
    try:
        with warnings.catch_warnings():
            # Python 3.10 only warns of flags that do not come first.
            warnings.simplefilter("error", DeprecationWarning)
            # As it will stand in front of the number.
            re.compile(rf"(?:{text})[0-9]+")
    except (re.error, OverflowError, RecursionError, DeprecationWarning) as error:
        msg = f"allowed: a regular expression ({error})"
        raise InvalidValue(msg) from None
    return text
