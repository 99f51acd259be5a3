"""Settings of journals that were written with others than those of the push."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import replace

from pytest_zephyr.config import resolve
from pytest_zephyr.config.settings import CREATE
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.journal.reader import Journal
from pytest_zephyr.results.plan import CaseResult
from pytest_zephyr.results.records import NodeResult


#: Values of ``zephyr_unknown_case``, the strictest last.
_SERIOUS = ("ignore", "warn", "error")


def own_settings(
    settings: Settings, journals: Iterable[Journal], *, keep_flags: bool
) -> dict[str, Settings]:
    """Return the settings for the results of each journal, by the name of its run.

    With *keep_flags* the flags of the call override those in the journals.
    """
    return {
        each.header.run: resolve.of_journal(
            settings, each.header.options, each.path.name, keep_flags=keep_flags
        )
        for each in journals
    }


class OwnSettings:
    """Finds the settings of a result; *own* maps the run of a journal to its settings.

    *widest* are those of the push, but create whatever any of the journals may create.
    """

    def __init__(self, main: Settings, own: Mapping[str, Settings]) -> None:
        self.main = main
        self.by_journal = own
        create = max((main.create, *(s.create for s in own.values())), key=CREATE.index)
        self.widest = replace(main, create=create)

    def of(self, node: NodeResult) -> Settings:
        return self.by_journal.get(node.origin.journal, self.main)

    def of_result(self, result: CaseResult) -> Settings:
        """Return settings that create the most and are strictest about unknown cases."""
        settings = [self.of(node) for node in result.nodes] or [self.main]
        return replace(
            self.main,
            create=max((each.create for each in settings), key=CREATE.index),
            unknown_case=max(
                (each.unknown_case for each in settings), key=_SERIOUS.index
            ),
        )
