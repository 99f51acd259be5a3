"""Where test cases are in the repository: by visible id, or by Alt ID."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field

from pytest_zephyr.client.api import Client
from pytest_zephyr.client.entities import Placement
from pytest_zephyr.client.entities import VisibleId
from pytest_zephyr.client.repository import SEARCH
from pytest_zephyr.errors import ZephyrRefused
from pytest_zephyr.errors import ZephyrUnauthorized
from pytest_zephyr.results.records import CaseRef


#: Calls that a walk through a repository may cost for what no search finds.
WALK = 300

#: Alt IDs that are asked for one by one; for more the repository is walked.
_FEW = 20


@dataclass
class Found:
    """What a look into the repository found.

    *placements* has one for each test case found, *ambiguous* the visible ids of Alt
    IDs that several test cases share. *certain* says that what is in neither is not
    on the server, as far as it can be asked.
    """

    placements: dict[CaseRef, Placement] = field(default_factory=dict)
    ambiguous: dict[str, list[int]] = field(default_factory=dict)
    certain: bool = False

    def has(self, case: CaseRef) -> bool:
        return case in self.placements or case in self.ambiguous


def find_cases(
    client: Client, cases: Iterable[CaseRef], release: int | None, *, walk: int = 0
) -> Found:
    """Find *cases*, of several placements the one in *release*.

    A search is asked first. What it does not know, as after a recent change, is looked
    for by a walk through the folders of *release*, of at most *walk* calls; also if
    there is no search at all.
    """
    wanted = list(dict.fromkeys(cases))
    candidates: dict[CaseRef, list[Placement]] = {}
    searched = _search(client, wanted, release or 0, candidates)
    missing = {case for case in wanted if not candidates.get(case)}
    walked = False
    if missing and release is not None and (walk or not searched):
        # Without a search the walk is all there is; the time budget ends it.
        walked = _walk(client, release, missing, candidates, walk if searched else None)
    found = Found(certain=searched or walked)
    for case in wanted:
        _choose(case, candidates.get(case, ()), release, found)
    return found


def _search(
    client: Client,
    wanted: Sequence[CaseRef],
    release: int,
    candidates: dict[CaseRef, list[Placement]],
) -> bool:
    """Ask the server's search; return whether there is one that knows all kinds."""
    ids = [VisibleId(case) for case in wanted if isinstance(case, int)]
    alts = [case for case in wanted if isinstance(case, str)]
    try:
        for start in range(0, len(ids), SEARCH):
            for placement in client.search_cases(ids[start : start + SEARCH], release):
                candidates.setdefault(placement.case, []).append(placement)
        for alt in alts if len(alts) <= _FEW else ():
            candidates[alt] = client.cases_by_alt(alt)
    except ZephyrUnauthorized:
        raise
    except ZephyrRefused:
        # No search on this server, or its index is broken: the walk is left.
        return False
    return len(alts) <= _FEW


def _walk(
    client: Client,
    release: int,
    missing: set[CaseRef],
    candidates: dict[CaseRef, list[Placement]],
    calls: int | None,
) -> bool:
    """Look into every folder until nothing is missing; return whether it saw all.

    An Alt ID may be there twice, for which only the last folder is the end.
    """
    alts = any(isinstance(case, str) for case in missing)
    try:
        for folder in _folders(client, release):
            if not missing and not alts:
                return True
            if calls is not None:
                if calls <= 0:
                    return False
                calls -= 1
            for placement in client.folder_cases(folder):
                for case in (placement.case, placement.alt):
                    if case in missing or case in candidates:
                        candidates.setdefault(case, []).append(placement)
            missing -= {case for case, each in candidates.items() if each}
    except ZephyrUnauthorized:
        raise
    except ZephyrRefused:
        return False
    return True


def _folders(client: Client, release: int) -> Iterator[int]:
    for root in client.root_folders(release):
        yield from (each.id for each in client.folder(root.id).walk())


def _choose(
    case: CaseRef, placements: Sequence[Placement], release: int | None, found: Found
) -> None:
    matches = [each for each in placements if case in (each.case, each.alt)]
    cases = sorted({each.case for each in matches})
    if len(cases) > 1:
        found.ambiguous[str(case)] = [int(each) for each in cases]
    elif matches:
        # The wanted release first, then the oldest placement.
        found.placements[case] = min(
            matches, key=lambda each: (each.release != release, each.id)
        )
