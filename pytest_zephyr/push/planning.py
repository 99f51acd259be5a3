"""Plan the results of each journal by the settings it was written with."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from pytest_zephyr.config.settings import CREATE_LEVELS
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.results import status
from pytest_zephyr.results.plan import build_plan
from pytest_zephyr.results.plan import Plan
from pytest_zephyr.results.plan import Rules
from pytest_zephyr.results.records import NodeResult


class Planner:
    """Plans the results of the journals named in *journals_to_send*, by default of all.

    *by_journal* has the settings of journals that differ from *main*. *widest_settings* are
    those of *main*, except that they create whatever any of the journals may create.
    """

    def __init__(
        self,
        main: Settings,
        by_journal: Mapping[str, Settings],
        journals_to_send: AbstractSet[str] | None,
    ) -> None:
        self._main = main
        self._by_journal = by_journal
        self._journals_to_send = journals_to_send
        self._inputs: object = None
        self._plan = Plan((), ())
        all_settings = (main, *by_journal.values())
        create = max((each.create for each in all_settings), key=CREATE_LEVELS.index)
        self.widest_settings = replace(main, create=create)
        self.use_statuses(status.STOCK)

    def use_statuses(self, known: Sequence[status.Status]) -> None:
        """Plan for a server with *known* statuses."""
        self._main_rules = self._main.rules(known)
        self._rules = {name: s.rules(known) for name, s in self._by_journal.items()}

    def settings_of(self, node: NodeResult) -> Settings:
        return self._by_journal.get(node.origin.journal, self._main)

    def rules_of(self, journal: str) -> Rules:
        return self._rules.get(journal, self._main_rules)

    def plan(self, nodes: Iterable[NodeResult]) -> Plan:
        """Return the plan for *nodes*; it is only built again if something has changed."""
        nodes = list(nodes)
        inputs = (nodes, self._main_rules, self._rules)
        if inputs != self._inputs:
            self._inputs, self._plan = inputs, build_plan(*inputs)
            sent = self._journals_to_send
            journals = {each.origin.journal for each in nodes}
            if sent is not None and not journals <= sent:
                results, unmapped = self._plan.results, self._plan.unmapped
                self._plan = Plan(
                    tuple(each for each in results if each.journals & sent),
                    tuple(each for each in unmapped if each.origin.journal in sent),
                )
        return self._plan

    def invalid(self, nodes: Iterable[NodeResult]) -> list[NodeResult]:
        """Return the tests of the planned journals that have an invalid marker."""
        sent = self._journals_to_send
        return [
            each
            for each in nodes
            if each.invalid and (sent is None or each.origin.journal in sent)
        ]
