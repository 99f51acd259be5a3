"""Finding a phase by names or ids: the requests, and the messages if it fails."""

from __future__ import annotations

from collections.abc import Callable
import re
from typing import Any

import pytest

from pytest_zephyr.client.api import Client
from pytest_zephyr.client.entities import Target
from pytest_zephyr.errors import TargetNotFound
from pytest_zephyr.errors import ZephyrRefused
from pytest_zephyr.sandbox import Fault
from pytest_zephyr.target.find import find_target
from tests.client.servers import answer
from tests.client.servers import settings_for
from tests.conftest import SandboxTarget


@pytest.fixture
def find(target: SandboxTarget) -> Callable[..., Target]:
    """Return a function that finds the target of *options*, as a user writes them."""

    def find(**options: Any) -> Target:
        settings = settings_for(target.sandbox.token, url=target.sandbox.url, **options)
        settings.require_push_settings()
        with Client(settings) as client:
            return find_target(client, settings)

    return find


def phase_of(target: Target) -> int:
    """Return the id of the phase of *target*, which must exist."""
    assert target.phase is not None
    return target.phase.id


NAMES = {
    "project": "Payments",
    "release": "1.0",
    "cycle": "Nightly",
    "phase": "Smoke",
}


@pytest.mark.parametrize(
    ("by_id", "by_name", "requests"),
    [
        pytest.param(["phase"], [], 0, id="phase id"),
        pytest.param(["cycle"], ["phase"], 1, id="cycle id"),
        pytest.param(["release", "cycle"], ["phase"], 1, id="release and cycle id"),
        pytest.param(["release"], ["cycle", "phase"], 1, id="release id"),
        pytest.param(["project"], ["release", "cycle", "phase"], 2, id="project id"),
        pytest.param([], list(NAMES), 3, id="four names"),
        pytest.param(
            ["phase"], ["project", "release", "cycle"], 3, id="phase id, other names"
        ),
        pytest.param(list(NAMES), [], 2, id="four ids"),
        pytest.param(["release", "phase"], [], 1, id="release and phase id"),
        pytest.param(["cycle", "phase"], [], 1, id="cycle and phase id"),
        pytest.param(["phase"], ["cycle"], 2, id="phase id and cycle name"),
        pytest.param(["project", "phase"], [], 3, id="project and phase id"),
        pytest.param(
            ["cycle"], ["project", "release", "phase"], 3, id="cycle id, other names"
        ),
    ],
)
def test_a_phase_is_found_by_names_and_ids_with_few_requests(
    target, find, by_id, by_name, requests
):
    places = {name: NAMES[name] for name in by_name}
    places |= {name: str(getattr(target, name)) for name in by_id}

    result = find(**places)

    assert (result.phase.id, result.remarks) == (target.phase, ())
    assert len(target.sandbox.requests) == requests


def test_the_path_has_the_name_of_each_place_or_its_id_if_no_name_is_known(
    target, find
):
    assert find(**NAMES).path == "Payments > 1.0 > Nightly > Smoke"
    ids = {name: str(getattr(target, name)) for name in NAMES}
    assert find(**ids).path == f"id {target.project} > 1.0 > Nightly > Smoke"
    assert find(phase=target.phase).path == f"id {target.phase}"


def test_the_release_is_known_unless_only_a_phase_id_is_given(target, find):
    assert find(**NAMES).release.id == target.release
    assert find(release=target.release, cycle="Nightly", phase="Smoke").release.id == (
        target.release
    )
    assert find(phase=target.phase).release is None


def test_four_names_need_three_lists(target, find):
    find(**NAMES)

    assert [each.path.partition("/v3/")[2] for each in target.sandbox.requests] == [
        "project/lite",
        f"release/project/{target.project}",
        f"cycle/release/{target.release}",
    ]


# Names that do not exist


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        pytest.param(
            {"project": "payments"}, "is not a project of this server.", id="project"
        ),
        pytest.param(
            {"release": "1.00"}, "is not a release of project 'Payments'.", id="release"
        ),
        pytest.param(
            {"cycle": "Nightley"}, "is not a cycle of release '1.0'.", id="cycle"
        ),
        pytest.param(
            {"phase": "Smoke test"}, "is not a phase of cycle 'Nightly'.", id="phase"
        ),
    ],
)
def test_an_unknown_name_is_reported_with_its_place_and_source(find, wrong, message):
    with pytest.raises(TargetNotFound) as caught:
        find(**{**NAMES, **wrong})

    ((name, value),) = wrong.items()
    text = str(caught.value)
    assert text.startswith(f"{value!r} (from --zephyr-{name}) {message}")
    assert f"{NAMES[name]!r} (" in text
    assert "\n" not in text


def test_the_closest_name_is_suggested_and_listed_first(target, find):
    store = target.sandbox.store
    for name in ("Acceptance", "Regression", "Smoke tests"):
        store.add_phase(target.cycle, name)

    with pytest.raises(TargetNotFound) as caught:
        find(**{**NAMES, "phase": "regresion"})

    text = str(caught.value)
    assert "Did you mean 'Regression'? There are: 'Regression' (" in text
    assert all(repr(name) in text for name in ("Acceptance", "Smoke", "Smoke tests"))


@pytest.mark.parametrize(
    ("name", "wrong", "suggestion"),
    [
        ("Regression", "regresion", "Regression"),
        ("2024", "name:2024a", "name:2024"),
        ("Regres\u00a0sion", "Regressionn", None),
    ],
    ids=["name", "number", "not printable"],
)
def test_the_suggestion_is_a_value_of_the_option(target, find, name, wrong, suggestion):
    """A terminal cannot show every name so that it can be pasted; an id is shown then."""
    phase = target.sandbox.store.add_phase(target.cycle, name)

    with pytest.raises(TargetNotFound) as caught:
        find(**{**NAMES, "phase": wrong})

    assert caught.value.suggestion == (suggestion or str(phase))


def test_a_name_without_a_close_one_has_no_suggestion(find):
    with pytest.raises(TargetNotFound) as caught:
        find(**{**NAMES, "phase": "xyz"})

    assert "Did you mean" not in str(caught.value)
    assert "There are: 'Smoke' (" in str(caught.value)


def test_twenty_names_are_shown_including_the_closest(target, find):
    for number in range(50):
        target.sandbox.store.add_phase(target.cycle, f"Part {number:02}")
    target.sandbox.store.add_phase(target.cycle, "Zoological")

    with pytest.raises(TargetNotFound) as caught:
        find(**{**NAMES, "phase": "Zoologicl"})

    text = str(caught.value)
    assert "There are: 'Zoological' (" in text
    assert text.endswith("… 32 more.")
    assert text.count("' (") == 21


def test_a_cycle_without_phases_is_reported(target, find):
    target.sandbox.store.add_cycle(target.release, "Empty")

    with pytest.raises(TargetNotFound, match=r"There is no phase at all\."):
        find(**{**NAMES, "cycle": "Empty"})


def test_a_cycle_id_that_is_not_in_the_release_is_reported(target, find):
    with pytest.raises(TargetNotFound) as caught:
        find(release=target.release, cycle="999999", phase="Smoke")

    assert str(caught.value).startswith(
        f"'999999' (from --zephyr-cycle) is not a cycle of release id {target.release}."
    )


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        ({"cycle": "999999", "phase": "Smoke"}, "cycle"),
        ({"cycle": "999999", "phase": "4001"}, "cycle"),
        ({"release": "999999", "cycle": "Nightly", "phase": "Smoke"}, "release"),
        ({"release": "999999", "phase": "4001"}, "release"),
    ],
    ids=["cycle", "cycle, phase id", "release", "release, phase id"],
)
def test_an_unknown_id_is_not_confused_with_a_broken_server(target, find, wrong, kind):
    """4001 is the id of phase Smoke, which is in cycle Nightly."""
    assert target.phase == 4001
    with pytest.raises(TargetNotFound) as caught:
        find(**wrong)

    text = str(caught.value)
    assert text.startswith(f"'999999' (from --zephyr-{kind}) is not a {kind} of")
    assert ("It is in cycle 'Nightly'" in text) == (wrong["phase"] == "4001")
    target.sandbox.faults.add(Fault("GET", status=500, times=None))
    with pytest.raises(ZephyrRefused):
        find(**wrong)


def test_upper_and_lower_case_of_names_differ(target, find):
    """Two names that differ in case only are two places."""
    other = target.sandbox.store.add_phase(target.cycle, "SMOKE")

    assert find(**NAMES).phase.id == target.phase
    assert find(**{**NAMES, "phase": "SMOKE"}).phase.id == other


def test_white_space_around_a_name_is_ignored(start_server):
    def respond(request: Any) -> bytes:
        return answer([{"id": 5, "name": "Nightly ", "cyclePhases": [
            {"id": 6, "name": "\tSmoke"}
        ]}])  # fmt: skip

    settings = settings_for(
        "t0ken",
        url=start_server(respond).url,
        release="1",
        cycle="Nightly",
        phase="Smoke",
    )
    with Client(settings) as client:
        assert phase_of(find_target(client, settings)) == 6


# Places that do not fit together


@pytest.fixture
def other_places(target: SandboxTarget) -> dict[str, int]:
    """Return the ids of another project, release, cycle and phase.

    The id of *other_cycle* is that of cycle Other, which is in the release of Nightly.
    """
    store = target.sandbox.store
    names = ("Shop", "2.0", "Weekly", "Full")
    places = dict(zip(NAMES, store.ensure_target(*names), strict=True))
    return {**places, "other_cycle": store.add_cycle(target.release, "Other")}


@pytest.mark.parametrize("create", ["never", "execution", "phase", "cycle"])
@pytest.mark.parametrize(
    ("places", "message"),
    [
        pytest.param(
            {"cycle": "Release candidate"},
            "'Release candidate' (from --zephyr-cycle) is not a cycle of release '1.0'.*"
            " is in cycle 'Nightly' (",
            id="an unknown cycle",
        ),
        pytest.param(
            {"cycle": "Other"},
            "is not a phase of cycle 'Other'. It is in cycle 'Nightly' (",
            id="another cycle",
        ),
        pytest.param(
            {"cycle": "{other_cycle}"},
            "is not a phase of cycle 'Other'. It is in cycle 'Nightly' (",
            id="the id of another cycle",
        ),
        pytest.param(
            {"project": None, "release": None, "cycle": "{other_cycle}"},
            "is not a phase of cycle 'Other'. It is in cycle 'Nightly' (",
            id="the id of another cycle alone",
        ),
        pytest.param(
            {"project": None, "release": None, "cycle": "Other"},
            "is not a phase of cycle 'Other'. It is in cycle 'Nightly' (",
            id="the name of another cycle alone",
        ),
        pytest.param(
            {"phase": "{phase}"},
            "is not a phase of cycle 'Nightly'. It is in cycle 'Weekly' (",
            id="the id of another phase",
        ),
        pytest.param(
            {"phase": "{phase}", "cycle": None},
            "is not a phase of release '1.0'. It is in cycle 'Weekly' (",
            id="a phase of another release",
        ),
        pytest.param(
            {"cycle": "{cycle}"},
            "is not a cycle of release '1.0'.* It is in release .*{release}.*: set zephyr_release",
            id="a cycle of another release",
        ),
        pytest.param(
            {"release": "{release}"},
            "'{release}' (from --zephyr-release) is not a release of project 'Payments'.",
            id="a release of another project",
        ),
        pytest.param(
            {"project": "Shop", "release": None, "cycle": None},
            "is not in project 'Shop': it is in release id ",
            id="another project",
        ),
        pytest.param(
            {"project": "{project}", "release": None, "cycle": "{nightly}"},
            "is not in project id {project}: it is in release id ",
            id="the id of another project",
        ),
        pytest.param(
            {"project": None, "cycle": None},
            "'1.0' (from --zephyr-release) cannot be looked up without its project.",
            id="a release without its project",
        ),
    ],
)
def test_places_that_do_not_fit_together_are_reported(
    target, find, other_places, places, message, create
):
    """A phase id is always among them, and zephyr_create creates nothing."""
    ids = {**other_places, "nightly": target.cycle}
    unfilled = {**NAMES, "phase": str(target.phase), **places}
    filled = {name: text and text.format(**ids) for name, text in unfilled.items()}

    with pytest.raises(TargetNotFound) as caught:
        find(**filled, create=create)

    parts = [re.escape(part) for part in message.format(**ids).split(".*")]
    assert re.search(".*".join(parts), str(caught.value))
    assert target.writes == []


@pytest.mark.parametrize("cycle", ["Nightly", None])
def test_a_phase_of_the_second_of_two_equally_named_cycles_is_found(
    target, find, cycle
):
    store = target.sandbox.store
    phase = store.add_phase(store.add_cycle(target.release, "Nightly"), "Smoke")

    result = find(project="Payments", release="1.0", cycle=cycle, phase=str(phase))

    assert result.phase.id == phase


# Names that exist twice


@pytest.mark.parametrize(
    ("kind", "add"),
    [
        (
            "cycle",
            lambda target: target.sandbox.store.add_cycle(target.release, "Nightly"),
        ),
        ("phase", lambda target: target.sandbox.store.add_phase(target.cycle, "Smoke")),
        (
            "release",
            lambda target: target.sandbox.store.add_release(target.project, "1.0"),
        ),
        ("project", lambda target: target.sandbox.store.add_project("Payments")),
    ],
)
def test_the_lowest_id_of_two_places_with_one_name_is_used_and_reported(
    target, find, kind, add
):
    other = add(target)

    result = find(**NAMES)

    first = getattr(target, kind)
    assert first < other
    assert result.phase.id == target.phase
    (remark,) = result.remarks
    assert remark.startswith(f"2 {kind}s of ")
    assert f"are called {NAMES[kind]!r} (ids {first}, {other})" in remark
    assert f"Set zephyr_{kind} to an id" in remark


def test_the_order_of_a_list_does_not_matter(start_server):
    cycles = [
        {
            "id": number,
            "name": "Nightly",
            "cyclePhases": [{"id": 10 * number, "name": "S"}],
        }
        for number in (9, 3, 7)
    ]
    server = start_server(lambda _request: answer(cycles))
    settings = settings_for(
        "t0ken", url=server.url, release="1", cycle="Nightly", phase="S"
    )
    with Client(settings) as client:
        result = find_target(client, settings)

    assert phase_of(result) == 30
    assert "ids 3, 7, 9" in result.remarks[0]


def test_an_id_selects_one_of_two_phases_with_one_name(target, find):
    other = target.sandbox.store.add_phase(target.cycle, "Smoke")

    result = find(**{**NAMES, "phase": str(other)})

    assert (result.phase.id, result.remarks) == (other, ())


# Releases and numbers


def test_the_hidden_release_is_never_chosen(target, find):
    """It has the test repository of the project."""
    (hidden,) = [r for r in target.sandbox.store.releases(target.project) if r.hidden]

    with pytest.raises(TargetNotFound) as caught:
        find(**{**NAMES, "release": hidden.name})

    assert "is not a release of project" in str(caught.value)
    assert f"({hidden.id})" not in str(caught.value)
    assert "There are: '1.0' (" in str(caught.value)


def test_a_release_with_the_name_of_the_hidden_one_is_found(target, find):
    store = target.sandbox.store
    (hidden,) = [r for r in store.releases(target.project) if r.hidden]
    release = store.add_release(target.project, hidden.name)
    phase = store.add_phase(store.add_cycle(release, "Nightly"), "Smoke")

    result = find(**{**NAMES, "release": hidden.name})

    assert (result.phase.id, result.remarks) == (phase, ())


def test_a_number_is_a_name_only_with_a_prefix(target, find):
    store = target.sandbox.store
    phase = store.add_phase(target.cycle, "42")
    places = {"release": target.release, "cycle": "Nightly"}

    assert find(**places, phase="name:42").phase.id == phase
    for number in ("42", "id:42"):
        with pytest.raises(TargetNotFound, match="There is no phase with this id"):
            find(**places, phase=number)


def test_a_name_may_itself_begin_with_a_prefix(target, find):
    phase = target.sandbox.store.add_phase(target.cycle, "name:id:7")

    assert find(cycle=target.cycle, phase="name:name:id:7").phase.id == phase


@pytest.mark.parametrize("name", ["Grüße ✓", "a/b?c=d&e", "'quoted' \"twice\"", "1.0"])
def test_any_name_is_found(target, find, name):
    phase = target.sandbox.store.add_phase(target.cycle, name)

    assert find(cycle=target.cycle, phase=f"name:{name}").phase.id == phase
