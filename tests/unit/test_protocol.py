"""Messages between the test process and the sender arrive unchanged."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from typing import Literal

from hypothesis import given
from hypothesis import strategies as st
import pytest

from pytest_zephyr import codec
from pytest_zephyr import protocol
from pytest_zephyr.client.entities import Cycle
from pytest_zephyr.client.entities import Execution
from pytest_zephyr.client.entities import Phase
from pytest_zephyr.client.entities import Placement
from pytest_zephyr.client.entities import PlacementId
from pytest_zephyr.client.entities import Target
from pytest_zephyr.client.entities import User
from pytest_zephyr.client.entities import VersionId
from pytest_zephyr.client.entities import VisibleId
from pytest_zephyr.config.resolve import OptionSources
from pytest_zephyr.config.resolve import resolve
from pytest_zephyr.results.lines import Line
from pytest_zephyr.results.status import STOCK
from pytest_zephyr.secret import Secret
from pytest_zephyr.target.find_cases import CaseLookup
from pytest_zephyr.target.snapshot import Snapshot
from tests.unit.make import deterministic


#: Settings with values of many types.
SETTINGS = resolve(
    OptionSources(
        flags={
            "url": "https://zephyr.example",
            "phase": "7",
            "cycle": "name:Nightly",
            "status_map": "skipped=Blocked,error=4",
            "client_cert": __file__,
            "verify": "false",
        },
        environ={"ZEPHYR_TOKEN": "s3cret-t0ken", "GITHUB_RUN_ID": "1"},
        ini={"timeout": "1.5"},
        ini_file=Path("/somewhere/pytest.ini"),
        config_file=Path("/somewhere/other.ini"),
    )
)


@pytest.mark.parametrize(
    "message",
    [
        protocol.Hello(),
        protocol.Check(SETTINGS, 10.0),
        protocol.Push(SETTINGS, Path("a/b.jsonl"), ("a", "\ud800"), '{"a":1}'),
        protocol.LookUp((1, "A-1", "1")),
        protocol.Checked(("a",), True, (1, "A-1"), -7),
        protocol.Checked(in_phase=()),
        protocol.LookedUp((("A-1", "no such case", "unknown"),), '{"a":1}', "no"),
        protocol.Progress(1, 2, "files"),
        protocol.Pushed((Line("a\nb", "error", ("c",), "not-sent"),), False),
        protocol.Broken("no", bug=True),
    ],
    ids=lambda message: type(message).__name__,
)
def test_every_message_is_read_as_it_was_written(message: protocol.Message) -> None:
    line = protocol.encode(message)

    assert line.count(b"\n") == 1
    assert protocol.decode(line) == message


def test_a_credential_can_be_sent() -> None:
    """The sender needs its text, which other outputs hide."""
    arrived = protocol.decode(protocol.encode(protocol.Check(SETTINGS, 1.0)))

    assert isinstance(arrived, protocol.Check)
    assert arrived.settings.credential is not None
    assert arrived.settings.credential.secret.reveal() == "s3cret-t0ken"


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"Traceback\n",
        b"[]\n",
        b'{"kind":"Nothing"}\n',
        b'{"kind":"s3cret"}\n',
        b'{"kind":"Progress","what":"s3cret \xff"}\n',
        b'{"kind":"Progress","done":"1","total":2,"what":"s3cret"}\n',
        b'{"kind":"Progress","done":1}\n',
        b'{"kind":"Progress","done":true,"total":2,"what":"s3cret"}\n',
        pytest.param(b"[" * 100_000 + b"\n", id="deeply nested"),
    ],
)
def test_a_line_that_is_no_message_is_reported_without_its_content(line: bytes) -> None:
    with pytest.raises(
        protocol.ProtocolError, match="no message of version 1"
    ) as caught:
        protocol.decode(line)

    assert "s3cret" not in str(caught.value)


SNAPSHOT = Snapshot(
    User(1, "Ada"),
    list(STOCK),
    target=Target("A > B", Phase(4, "B", created=7), Cycle(2, "A", (Phase(4, "B"),))),
    executions=[
        Execution(1, 101, "", VersionId(9), "1", "ok", 5, 6, "abc", True, None)
    ],
    is_complete=True,
    lookup=CaseLookup(
        {
            101: Placement(PlacementId(1), VisibleId(101), VersionId(2)),
            "A-1": Placement(PlacementId(2), VisibleId(102), VersionId(3)),
        },
        {"A-2": [103, 104]},
        frozenset({105, "A-3"}),
    ),
    in_phase={101: "", 102: "A-1"},
    clock_offset=-12,
)


def test_a_snapshot_is_read_as_it_was_written() -> None:
    assert codec.load(Snapshot, codec.dump(SNAPSHOT)) == SNAPSHOT


Letter = Literal["a", "b"]


@dataclass(frozen=True)
class Sample:
    """A class with every kind of type hint that a message may have."""

    text: str
    size: float
    flag: bool
    choice: Letter
    wider: Letter | Literal["", "c"]
    day: date | None
    path: Path | bool
    secret: Secret
    pairs: dict[int | str, list[str]]
    names: frozenset[str]
    anything: Any
    count: int
    pair: tuple[int, str]
    ids: tuple[VisibleId, ...]
    user: User | None


WHOLE = st.integers(-(2**63), 2**63 - 1)


@deterministic
@given(
    st.builds(
        Sample,
        text=st.text(),
        size=st.floats(allow_nan=False, allow_infinity=False) | st.integers(),
        flag=st.booleans(),
        choice=st.sampled_from(["a", "b"]),
        wider=st.sampled_from(["a", "b", "", "c"]),
        day=st.none() | st.dates(),
        path=st.booleans()
        | st.builds(Path, st.from_regex(r"[a-z]{1,5}", fullmatch=True)),
        secret=st.builds(Secret, st.text()),
        pairs=st.dictionaries(st.integers() | st.text(), st.lists(st.text())),
        names=st.frozensets(st.text()),
        anything=st.none() | st.integers() | st.text(),
        count=WHOLE,
        pair=st.tuples(WHOLE, st.text()),
        ids=st.lists(WHOLE.map(VisibleId)).map(tuple),
        user=st.none() | st.builds(User, WHOLE, st.text()),
    )
)
def test_any_value_is_read_as_it_was_written(sample: Sample) -> None:
    assert codec.load(Sample, codec.dump(sample)) == sample


def test_values_of_other_types_cannot_be_written() -> None:
    with pytest.raises(TypeError, match="object cannot be written as JSON"):
        codec.dump([object()])
