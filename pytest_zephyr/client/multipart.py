"""A multipart body that reads its files piece by piece while it is sent."""

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

    file_name: str
    content_type: str
    size: int
    read: Callable[[], Iterable[bytes]]


class Multipart:
    """The body of a request, with *parts* by form field; it can be sent more than once."""

    def __init__(self, parts: Mapping[str, Part]) -> None:
        boundary = secrets.token_hex(16)
        self.content_type = f"multipart/form-data; boundary={boundary}"
        self._parts = [
            (_part_header(boundary, field, part), part) for field, part in parts.items()
        ]
        self._end = f"--{boundary}--\r\n".encode("ascii")

    def __len__(self) -> int:
        sizes = (len(header) + part.size + len(b"\r\n") for header, part in self._parts)
        return sum(sizes) + len(self._end)

    def __iter__(self) -> Iterator[bytes]:
        for header, part in self._parts:
            yield header
            yield from part.read()
            yield b"\r\n"
        yield self._end


def _part_header(boundary: str, field: str, part: Part) -> bytes:
    request_field = RequestField(field, b"", part.file_name)
    request_field.make_multipart(content_type=part.content_type)
    return f"--{boundary}\r\n{request_field.render_headers()}".encode()
