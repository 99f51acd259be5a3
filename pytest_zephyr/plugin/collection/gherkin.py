"""Tags of Gherkin files as markers, for suites with pytest-bdd: ``@zephyr:101``, ``@TC-101``."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
import re
import sys
from typing import Any

import pytest

from pytest_zephyr import table


#: The prefix of a tag such as ``zephyr:101,alt:AUTH-1``, and of an Alt ID in it.
_TAG_PREFIX = "zephyr:"
_ALT_PREFIX = "alt:"


class GherkinTags:
    """Turns tags that name test cases into zephyr markers of the tests.

    Without this, pytest-bdd makes markers with the names of the tags, which pytest does
    not know.
    """

    def __init__(self, config: pytest.Config) -> None:
        prefix = str(config.getini("zephyr_id_prefix") or table.DEFAULT_ID_PREFIX)
        try:
            self._id_pattern = re.compile(
                rf"(?:{prefix})\d{{1,19}}", re.ASCII | re.IGNORECASE
            )
        except re.error:
            # A run that reports says that the prefix is invalid.
            self._id_pattern = re.compile(r"(?!)")
        self._is_union = config.getini("zephyr_inherit") == "union"
        # Tags by the function of their scenario.
        self._tags: dict[object, list[str]] = {}
        # A hack: pytest-bdd has no hook for the tags of examples, and `--strict-markers`
        # refuses markers with their names; pytest cannot register a pattern of names.
        known = getattr(pytest.mark, "_markers", None)
        if isinstance(known, set):
            ours = pytest.mark._markers = _KnownMarkers(known)
            ours.is_ours = self._names_cases
            config.add_cleanup(lambda: setattr(pytest.mark, "_markers", known))

    def _names_cases(self, tag: str) -> bool:
        # A tag of digits alone may mean anything.
        is_id = self._id_pattern.fullmatch(tag) and not tag.isdecimal()
        return tag.startswith(_TAG_PREFIX) or bool(is_id)

    @pytest.hookimpl(tryfirst=True, optionalhook=True)
    def pytest_bdd_apply_tag(self, tag: str, function: Callable[..., object]) -> object:
        if not self._names_cases(tag):
            return None
        self._tags.setdefault(function, []).append(tag)
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Add markers for the tags of the examples, and for one other level.

        That is the closest of scenario, rule and feature whose tags name test cases.
        With ``zephyr_inherit = union``, each of the three with such tags gets a marker.
        """
        for item in items:
            function = getattr(item, "function", None)
            of_params = getattr(getattr(item, "callspec", None), "marks", [])
            # A marker of the function is as close as the tags of the scenario.
            is_marked = any(
                mark.name == "zephyr" and mark not in of_params
                for mark in item.own_markers
            )
            for mark in [*of_params]:
                # It is a tag of the examples.
                if self._names_cases(mark.name):
                    item.add_marker(_marker([mark.name]))
                    of_params.append(item.own_markers[-1])
            for level in _levels(function, self._tags.get(function, ())):
                names = list(filter(self._names_cases, sorted(level)))
                if names:
                    item.add_marker(_marker(names))
                is_marked = is_marked or bool(names)
                if is_marked and not self._is_union:
                    break


class _KnownMarkers(set[str]):
    """Names of markers that pytest knows, and those of our tags."""

    is_ours: Callable[[str], bool]

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or self.is_ours(str(name))


def _levels(function: Any, tags: Iterable[str]) -> list[Iterable[str]]:
    """Return the tags of the scenario, its rule and its feature.

    If the scenario is unknown, or *tags* is empty, *tags* is the only level.
    """
    module = sys.modules.get("pytest_bdd.scenario")
    registry = getattr(module, "scenario_wrapper_template_registry", {})
    # Up to pytest-bdd 8 the scenario is an attribute of the function.
    scenario = registry.get(function) or getattr(function, "__scenario__", None)
    if scenario is None or not tags:
        return [tags]
    return [
        scenario.tags,
        getattr(getattr(scenario, "rule", None), "tags", ()),
        scenario.feature.tags,
    ]


def _marker(tags: Iterable[str]) -> pytest.MarkDecorator:
    """Return the zephyr marker for *tags*, which may be invalid: `Marks` reports that."""
    texts = [text for tag in tags for text in tag.removeprefix(_TAG_PREFIX).split(",")]
    ids = [text for text in texts if not text.startswith(_ALT_PREFIX)]
    alts = [
        text.removeprefix(_ALT_PREFIX) for text in texts if text.startswith(_ALT_PREFIX)
    ]
    return pytest.mark.zephyr(*ids, **({"alt": alts} if alts else {}))
