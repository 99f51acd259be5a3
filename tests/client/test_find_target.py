"""Finding a phase: its requests, and the messages for unknown names."""

from __future__ import annotations

from collections.abc import Callable
import re
from typing import Any

import pytest

from pytest_zephyr.client.api import Client
from pytest_zephyr.client.entities import Target
from pytest_zephyr.errors import ZephyrNotFound
from pytest_zephyr.errors import ZephyrRefused
from pytest_zephyr.sandbox import Fault
from pytest_zephyr.target.find import find_target
from tests.client.servers import answer
from tests.client.servers import settings_for
from tests.conftest import World


@pytest.fixture
def find(world: World) -> Callable[..., Target]:
    """Find the target for options as a user would write them."""

    def find(**places: Any) -> Target:
        settings = settings_for(world.sandbox.token, url=world.sandbox.url, **places)
        settings.require_server()
        with Client(settings) as client:
            return find_target(client, settings)

    return find


def phase_of(target: Target) -> int:
    assert target.phase is not None
    return target.phase.id


NAMES = {
    "project": "Payments",
    "release": "1.0",
    "cycle": "Nightly",
    "phase": "Smoke",
}


@pytest.mark.parametrize(
    ("by_id", "by_name", "calls"),
    [
        pytest.param(["phase"], [], 0, id="phase id"),
        pytest.param(["cycle"], ["phase"], 1, id="cycle id"),
        pytest.param(["release", "cycle"], ["phase"], 1, id="release and cycle id"),
        pytest.param(["release"], ["cycle", "phase"], 1, id="release id"),
        pytest.param(["project"], ["release", "cycle", "phase"], 2, id="project id"),
        pytest.param([], list(NAMES), 3, id="four names"),
        pytest.param(
            ["phase"], ["project", "release", "cycle"], 3, id="phase id in names"
        ),
        pytest.param(list(NAMES), [], 2, id="four ids"),
        pytest.param(["release", "phase"], [], 1, id="release and phase id"),
        pytest.param(["cycle", "phase"], [], 1, id="cycle and phase id"),
        pytest.param(["phase"], ["cycle"], 2, id="phase id and name of the cycle"),
        pytest.param(["project", "phase"], [], 3, id="project and phase id"),
        pytest.param(
            ["cycle"], ["project", "release", "phase"], 3, id="cycle id in names"
        ),
    ],
)
def test_places_with_an_id_need_fewer_requests(world, find, by_id, by_name, calls):
    places = {name: NAMES[name] for name in by_name}
    places |= {name: str(getattr(world, name)) for name in by_id}

    target = find(**places)

    assert (target.phase.id, target.remarks) == (world.phase, ())
    assert len(world.sandbox.requests) == calls


def test_the_path_has_the_names_of_the_places(world, find):
    assert find(**NAMES).path == "Payments > 1.0 > Nightly > Smoke"
    ids = {name: str(getattr(world, name)) for name in NAMES}
    assert find(**ids).path == f"{world.project} > 1.0 > Nightly > Smoke"
    assert find(phase=world.phase).path == f"id {world.phase}"


def test_the_release_is_known_unless_only_lower_ids_are_given(world, find):
    assert find(**NAMES).release.id == world.release
    assert find(release=world.release, cycle="Nightly", phase="Smoke").release.id == (
        world.release
    )
    assert find(phase=world.phase).release is None


def test_four_names_need_three_lists(world, find):
    find(**NAMES)

    assert [each.path.partition("/v3/")[2] for each in world.sandbox.requests] == [
        "project/lite",
        f"release/project/{world.project}",
        f"cycle/release/{world.release}",
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
    with pytest.raises(ZephyrNotFound) as caught:
        find(**{**NAMES, **wrong})

    ((name, value),) = wrong.items()
    text = str(caught.value)
    assert text.startswith(f"{value!r} (from --zephyr-{name}) {message}")
    assert f"{NAMES[name]!r} (" in text
    assert "\n" not in text


def test_the_closest_name_is_suggested_and_listed_first(world, find):
    store = world.sandbox.store
    for name in ("Acceptance", "Regression", "Smoke tests"):
        store.add_phase(world.cycle, name)

    with pytest.raises(ZephyrNotFound) as caught:
        find(**{**NAMES, "phase": "regresion"})

    text = str(caught.value)
    assert "Did you mean 'Regression'? There are: 'Regression' (" in text
    assert all(repr(name) in text for name in ("Acceptance", "Smoke", "Smoke tests"))


def test_a_name_without_a_close_one_has_no_suggestion(find):
    with pytest.raises(ZephyrNotFound) as caught:
        find(**{**NAMES, "phase": "xyz"})

    assert "Did you mean" not in str(caught.value)
    assert "There are: 'Smoke' (" in str(caught.value)


def test_twenty_names_are_shown_including_the_closest(world, find):
    for number in range(50):
        world.sandbox.store.add_phase(world.cycle, f"Part {number:02}")
    world.sandbox.store.add_phase(world.cycle, "Zoological")

    with pytest.raises(ZephyrNotFound) as caught:
        find(**{**NAMES, "phase": "Zoologicl"})

    text = str(caught.value)
    assert "There are: 'Zoological' (" in text
    assert text.endswith("… 32 more.")
    assert text.count("' (") == 21


def test_a_cycle_without_phases_is_reported(world, find):
    world.sandbox.store.add_cycle(world.release, "Empty")

    with pytest.raises(ZephyrNotFound, match=r"There is no phase at all\."):
        find(**{**NAMES, "cycle": "Empty"})


def test_an_id_that_is_not_in_the_list_is_reported(world, find):
    with pytest.raises(ZephyrNotFound) as caught:
        find(release=world.release, cycle="999999", phase="Smoke")

    assert str(caught.value).startswith(
        f"'999999' (from --zephyr-cycle) is not a cycle of release id {world.release}."
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
def test_an_unknown_id_is_not_confused_with_a_broken_server(world, find, wrong, kind):
    with pytest.raises(ZephyrNotFound) as caught:
        find(**wrong)

    text = str(caught.value)
    assert text.startswith(f"'999999' (from --zephyr-{kind}) is not a {kind} of")
    assert ("It is in cycle 'Nightly'" in text) == (wrong["phase"] == "4001")
    world.sandbox.faults.add(Fault("GET", status=500, times=None))
    with pytest.raises(ZephyrRefused) as broken:
        find(**wrong)
    assert not isinstance(broken.value, ZephyrNotFound)


def test_upper_and_lower_case_of_names_differ(world, find):
    """Two names that differ in case only are two places."""
    other = world.sandbox.store.add_phase(world.cycle, "SMOKE")

    assert find(**NAMES).phase.id == world.phase
    assert find(**{**NAMES, "phase": "SMOKE"}).phase.id == other


def test_white_space_around_a_name_is_ignored(scripted):
    def respond(request: Any) -> bytes:
        return answer([{"id": 5, "name": "Nightly ", "cyclePhases": [
            {"id": 6, "name": "\tSmoke"}
        ]}])  # fmt: skip

    settings = settings_for(
        "t0ken", url=scripted(respond).url, release="1", cycle="Nightly", phase="Smoke"
    )
    with Client(settings) as client:
        assert phase_of(find_target(client, settings)) == 6


# Places that do not fit together


@pytest.fixture
def other_places(world: World) -> dict[str, int]:
    """Another project, release, cycle and phase, and a cycle next to Nightly."""
    store = world.sandbox.store
    names = ("Shop", "2.0", "Weekly", "Full")
    places = dict(zip(NAMES, store.ensure_target(*names), strict=True))
    return {**places, "other_cycle": store.add_cycle(world.release, "Other")}


@pytest.mark.parametrize("create", ["never", "execution", "phase", "cycle"])
@pytest.mark.parametrize(
    ("places", "message"),
    [
        pytest.param(
            {"cycle": "Release candidate"},
            "'Release candidate' (from --zephyr-cycle) is not a cycle of release '1.0'.*"
            " is in cycle 'Nightly' (",
            id="no such cycle",
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
    world, find, other_places, places, message, create
):
    """A wrong name next to a phase id is an error, also with zephyr_create."""
    ids = {**other_places, "nightly": world.cycle}
    given = {**NAMES, "phase": str(world.phase), **places}
    filled = {name: text and text.format(**ids) for name, text in given.items()}

    with pytest.raises(ZephyrNotFound) as caught:
        find(**filled, create=create)

    parts = [re.escape(part) for part in message.format(**ids).split(".*")]
    assert re.search(".*".join(parts), str(caught.value))
    assert world.writes == []


@pytest.mark.parametrize("cycle", ["Nightly", None])
def test_a_phase_of_the_second_cycle_with_a_name_is_found(world, find, cycle):
    store = world.sandbox.store
    phase = store.add_phase(store.add_cycle(world.release, "Nightly"), "Smoke")

    target = find(project="Payments", release="1.0", cycle=cycle, phase=str(phase))

    assert phase_of(target) == phase


# Names that exist twice


@pytest.mark.parametrize(
    ("kind", "add"),
    [
        ("cycle", lambda w: w.sandbox.store.add_cycle(w.release, "Nightly")),
        ("phase", lambda w: w.sandbox.store.add_phase(w.cycle, "Smoke")),
        ("release", lambda w: w.sandbox.store.add_release(w.project, "1.0")),
        ("project", lambda w: w.sandbox.store.add_project("Payments")),
    ],
)
def test_the_lowest_id_of_two_places_with_one_name_is_used_and_reported(
    world, find, kind, add
):
    other = add(world)

    target = find(**NAMES)

    first = getattr(world, kind)
    assert first < other
    assert target.phase.id == world.phase
    (remark,) = target.remarks
    assert remark.startswith(f"2 {kind}s of ")
    assert f"are called {NAMES[kind]!r} (ids {first}, {other})" in remark
    assert f"Set zephyr_{kind} to an id" in remark


def test_the_order_of_a_list_does_not_matter(scripted):
    cycles = [
        {
            "id": number,
            "name": "Nightly",
            "cyclePhases": [{"id": 10 * number, "name": "S"}],
        }
        for number in (9, 3, 7)
    ]
    server = scripted(lambda _request: answer(cycles))
    settings = settings_for(
        "t0ken", url=server.url, release="1", cycle="Nightly", phase="S"
    )
    with Client(settings) as client:
        target = find_target(client, settings)

    assert phase_of(target) == 30
    assert "ids 3, 7, 9" in target.remarks[0]


def test_an_id_selects_one_of_two_phases_with_one_name(world, find):
    other = world.sandbox.store.add_phase(world.cycle, "Smoke")

    target = find(**{**NAMES, "phase": str(other)})

    assert (target.phase.id, target.remarks) == (other, ())


# Releases and numbers


def test_the_hidden_release_is_never_chosen(world, find):
    """It has the test repository of the project."""
    (hidden,) = [r for r in world.sandbox.store.releases(world.project) if r.hidden]

    with pytest.raises(ZephyrNotFound) as caught:
        find(**{**NAMES, "release": hidden.name})

    assert "is not a release of project" in str(caught.value)
    assert f"({hidden.id})" not in str(caught.value)
    assert "There are: '1.0' (" in str(caught.value)


def test_a_release_with_the_name_of_the_hidden_one_is_found(world, find):
    store = world.sandbox.store
    (hidden,) = [r for r in store.releases(world.project) if r.hidden]
    release = store.add_release(world.project, hidden.name)
    phase = store.add_phase(store.add_cycle(release, "Nightly"), "Smoke")

    target = find(**{**NAMES, "release": hidden.name})

    assert (target.phase.id, target.remarks) == (phase, ())


def test_a_number_is_a_name_only_with_a_prefix(world, find):
    store = world.sandbox.store
    phase = store.add_phase(world.cycle, "42")
    places = {"release": world.release, "cycle": "Nightly"}

    assert find(**places, phase="name:42").phase.id == phase
    for number in ("42", "id:42"):
        with pytest.raises(ZephyrNotFound, match="There is no phase with this id"):
            find(**places, phase=number)


def test_a_name_that_begins_like_an_id_is_a_name(world, find):
    phase = world.sandbox.store.add_phase(world.cycle, "name:id:7")

    assert find(cycle=world.cycle, phase="name:name:id:7").phase.id == phase


@pytest.mark.parametrize("name", ["Grüße ✓", "a/b?c=d&e", "'quoted' \"twice\"", "1.0"])
def test_any_name_is_found(world, find, name):
    phase = world.sandbox.store.add_phase(world.cycle, name)

    assert find(cycle=world.cycle, phase=f"name:{name}").phase.id == phase
