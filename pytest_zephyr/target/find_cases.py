"""Find test cases in the repository by visible id or Alt ID."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field

from pytest_zephyr.client import entities
from pytest_zephyr.client.api import Client
from pytest_zephyr.client.projects import SEARCH_SIZE
from pytest_zephyr.errors import ZephyrRefused
from pytest_zephyr.results.records import CaseRef


#: The most folders to read for test cases that the search does not find.
MAX_READ_FOLDERS = 300

#: The most Alt IDs to search one by one; for more, all folders are read.
_MAX_SEARCHED_ALTS = 20


@dataclass
class CaseLookup:
    """The result of a search for test cases in the repository.

    *placements* has the test cases that were found. *ambiguous* has the visible ids of each
    Alt ID that several test cases share. *uncertain* are those that were not found, but may
    exist: the server could not search for them, and not all folders of the release were
    read.
    """

    placements: dict[CaseRef, entities.Placement] = field(default_factory=dict)
    ambiguous: dict[str, list[int]] = field(default_factory=dict)
    uncertain: frozenset[CaseRef] = frozenset()

    def has(self, case: CaseRef) -> bool:
        return case in self.placements or case in self.ambiguous


def find_cases(
    client: Client,
    cases: Iterable[CaseRef],
    release: int | None,
    *,
    max_read_folders: int = 0,
) -> CaseLookup:
    """Find *cases*; of several placements the one in *release* counts, else the lowest id.

    The server's search comes first. It may not find new cases yet; to find those, up to
    *max_read_folders* folders of *release* are read. If the server cannot search for all
    *cases*, as many folders as needed are read.
    """
    cases = list(dict.fromkeys(cases))
    candidates: dict[CaseRef, list[entities.Placement]] = {}
    searched_all = _search(client, cases, release or 0, candidates)
    missing = {case for case in cases if not candidates.get(case)}
    walked_all = False
    if missing and release is not None and (max_read_folders or not searched_all):
        # Without a search, only the time budget limits the reading.
        max_folders = max_read_folders if searched_all else None
        walked_all = _walk(client, release, missing, candidates, max_folders)
    lookup = CaseLookup()
    for case in cases:
        matches = [p for p in candidates.get(case, ()) if case in (p.case, p.alt)]
        ids = sorted({each.case for each in matches})
        if len(ids) > 1:
            lookup.ambiguous[str(case)] = list(map(int, ids))
        elif matches:
            lookup.placements[case] = min(
                matches, key=lambda each: (each.release != release, each.id)
            )
    if not searched_all and not walked_all:
        lookup.uncertain = frozenset(case for case in cases if not lookup.has(case))
    return lookup


def _search(
    client: Client,
    cases: Sequence[CaseRef],
    release: int,
    candidates: dict[CaseRef, list[entities.Placement]],
) -> bool:
    """Search by id and Alt ID; return whether all *cases* were searched."""
    ids = [entities.VisibleId(case) for case in cases if isinstance(case, int)]
    alts = [case for case in cases if isinstance(case, str)]
    try:
        for start in range(0, len(ids), SEARCH_SIZE):
            for placement in client.search_cases(
                ids[start : start + SEARCH_SIZE], release
            ):
                candidates.setdefault(placement.case, []).append(placement)
        for alt in alts if len(alts) <= _MAX_SEARCHED_ALTS else ():
            candidates[alt] = client.cases_by_alt(alt)
    except ZephyrRefused:
        # This server has no search, or its index is broken.
        return False
    return len(alts) <= _MAX_SEARCHED_ALTS


def _walk(
    client: Client,
    release: int,
    missing: set[CaseRef],
    candidates: dict[CaseRef, list[entities.Placement]],
    folders_left: int | None,
) -> bool:
    """Read folders until nothing is missing; return whether all necessary ones were read.

    Alt IDs need every folder, because several test cases can have the same one. At most
    *folders_left* folders are read, all if it is `None`.
    """
    has_alts = any(isinstance(case, str) for case in missing)
    try:
        roots = client.root_folders(release)
        for folder in (
            each for root in roots for each in client.folder(root.id).walk()
        ):
            if not missing and not has_alts:
                return True
            if folders_left is not None:
                if folders_left <= 0:
                    return False
                folders_left -= 1
            for placement in client.folder_cases(folder.id):
                for case in (placement.case, placement.alt):
                    if case in missing or case in candidates:
                        candidates.setdefault(case, []).append(placement)
            missing -= {case for case, each in candidates.items() if each}
    except ZephyrRefused:
        return False
    return True
