"""A multipart body of files that is read while it is sent, never whole in memory."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
import secrets

from urllib3.fields import RequestField


@dataclass(frozen=True)
class Part:
    """A file to upload: each call of *read* yields its *size* bytes."""

    name: str
    type: str
    size: int
    read: Callable[[], Iterable[bytes]]


class Multipart:
    """The body of a request; it can be sent again, as for a retry."""

    def __init__(self, parts: Mapping[str, Part]) -> None:
        boundary = secrets.token_hex(16)
        self.content_type = f"multipart/form-data; boundary={boundary}"
        self._parts = [
            (_head(boundary, name, part), part) for name, part in parts.items()
        ]
        self._end = f"--{boundary}--\r\n".encode("ascii")

    def __len__(self) -> int:
        sizes = (len(head) + part.size + len(b"\r\n") for head, part in self._parts)
        return sum(sizes) + len(self._end)

    def __iter__(self) -> Iterator[bytes]:
        for head, part in self._parts:
            yield head
            yield from part.read()
            yield b"\r\n"
        yield self._end


def _head(boundary: str, name: str, part: Part) -> bytes:
    field = RequestField(name, b"", part.name)
    field.make_multipart(content_type=part.type)
    return f"--{boundary}\r\n{field.render_headers()}".encode()
