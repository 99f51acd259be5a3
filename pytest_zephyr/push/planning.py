"""Plan the results of a run; each session has its own settings."""

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
    """Plans the results of the sessions that *sessions_to_send* names.

    *by_session* maps the names of sessions to their settings; *main* is for the others.
    *widest_settings* are *main*, except that they create whatever any of the sessions
    may create.
    """

    def __init__(
        self,
        main: Settings,
        by_session: Mapping[str, Settings],
        sessions_to_send: AbstractSet[str],
    ) -> None:
        self._main = main
        self._by_session = by_session
        self._sessions_to_send = sessions_to_send
        self._inputs: object = None
        self._plan = Plan((), ())
        all_settings = (main, *by_session.values())
        create = max((each.create for each in all_settings), key=CREATE_LEVELS.index)
        self.widest_settings = replace(main, create=create)
        self.use_statuses(status.STOCK)

    def use_statuses(self, known: Sequence[status.Status]) -> None:
        """Use the statuses that are *known* to the server for plans from now on."""
        self._main_rules = self._main.rules(known)
        self._rules = {name: s.rules(known) for name, s in self._by_session.items()}

    def settings_of(self, node: NodeResult) -> Settings:
        return self._by_session.get(node.origin.session, self._main)

    def rules_of(self, node: NodeResult) -> Rules:
        return self._rules.get(node.origin.session, self._main_rules)

    def plan(self, nodes: Iterable[NodeResult]) -> Plan:
        """Return the plan for *nodes*, with only the results of the sessions to send.

        A result belongs to each session in which one of its tests ran; if none ran, to
        each that has one of them. It is in the plan if one of these is to be sent.
        The plan is built again only if *nodes* or the statuses have changed.
        """
        nodes = list(nodes)
        inputs = (nodes, self._main_rules, self._rules)
        if inputs != self._inputs:
            plan, sent = build_plan(*inputs), self._sessions_to_send
            self._inputs = inputs
            self._plan = Plan(
                tuple(each for each in plan.results if each.sessions & sent),
                tuple(
                    each
                    for each in plan.nodes_without_case
                    if each.origin.session in sent
                ),
            )
        return self._plan

    def with_invalid_marker(self, nodes: Iterable[NodeResult]) -> list[NodeResult]:
        """Return the *nodes* with an invalid marker, of the sessions to send."""
        sent = self._sessions_to_send
        return [each for each in nodes if each.invalid and each.origin.session in sent]
