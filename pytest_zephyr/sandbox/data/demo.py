"""The demo project of a new database."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.orm import Session

from pytest_zephyr.sandbox.data import attachments
from pytest_zephyr.sandbox.data import executing
from pytest_zephyr.sandbox.data import planning
from pytest_zephyr.sandbox.data import queries
from pytest_zephyr.sandbox.data import seeding
from pytest_zephyr.sandbox.data.database import get
from pytest_zephyr.sandbox.data.executing import NewResult
from pytest_zephyr.sandbox.data.executing import NewStepResult
from pytest_zephyr.sandbox.data.model import Node
from pytest_zephyr.sandbox.data.model import Phase
from pytest_zephyr.sandbox.data.model import RequirementLink
from pytest_zephyr.sandbox.data.store import Store
from pytest_zephyr.sandbox.data.values import now_ms


_REVIEW = "5"
_STATUSES = (*seeding.DEFAULT_STATUSES, (_REVIEW, "Needs review", True))

#: Names and steps of the test cases, by their folder of the repository.
_CASES: dict[str, list[tuple[str, tuple[str, ...]]]] = {
    "Account": [
        (
            "Log in with name and password",
            ("Open the login page", "Enter name and password", "Press Log in"),
        ),
        ("Reject a wrong password", ()),
        ("Log out", ()),
        ("Reset a forgotten password", ("Ask for the e-mail", "Follow its link")),
        ("Change the e-mail address", ()),
    ],
    "Checkout": [
        ("Put a product into the cart", ()),
        ("Pay by card", ("Open the cart", "Enter the card", "Place the order")),
        ("Pay by invoice", ()),
        ("Reject an expired card", ("Enter the card", "Place the order")),
        ("Send the receipt by e-mail", ()),
        ("Apply a voucher", ()),
        ("Cancel an order", ()),
    ],
}

_SMOKE_IDS = range(101, 107)
#: Ids of the test cases, by Alt ID and name of the requirement that they cover.
_REQUIREMENTS = {
    ("REQ-1", "Customers can log in"): (101, 102, 103),
    ("REQ-2", "Customers can pay"): (107, 108, 109),
}

_FAILED_ID = 109
#: Status and notes of the newest result of each test case in the phase Regression, by
#: test case id. Test case 112 has no result.
_RESULTS: dict[int, tuple[str, str | None]] = {
    **dict.fromkeys(range(101, 112), ("1", None)),
    104: ("4", "The mail server of the test environment is down"),
    _FAILED_ID: (
        "2",
        (
            "AssertionError: an expired card was accepted\n\n"
            "    def test_expired_card(page):\n"
            '        page.pay(card="4111 1111 1111 1111", until="01/20")\n'
            '>       assert page.message == "This card has expired"\n'
            "E       AssertionError: assert 'Order placed' == 'This card has expired'\n\n"
            "tests/test_checkout.py:41: AssertionError"
        ),
    ),
    111: (_REVIEW, "The discount is right, but its text is cut"),
}


def add_demo(store: Store) -> tuple[str, ...]:
    """Add a project with test cases, phases and results.

    Return lines that tell the user about its test cases, requirements and statuses.
    """
    store.set_statuses(_STATUSES)
    project = store.add_project("Demo shop")
    release = store.add_release(project, "1.0")
    store.add_release(project, "1.1")
    shop = store.add_folder(release, "Shop")
    testcase_id = 101
    for folder_name, cases in _CASES.items():
        folder = store.add_folder(release, folder_name, parent=shop)
        for name, steps in cases:
            alt = "AUTH-1" if testcase_id == 103 else None
            store.add_case(
                release,
                name,
                testcase_id=testcase_id,
                alt=alt,
                folder=folder,
                steps=steps,
            )
            testcase_id += 1
    requirements = {
        store.add_requirement(release, name, alt=alt): covered
        for (alt, name), covered in _REQUIREMENTS.items()
    }
    cycle = store.add_cycle(release, "Nightly", build="41", environment="Chrome")
    smoke = store.add_phase(cycle, "Smoke")
    store.schedule_all(smoke, _SMOKE_IDS)
    regression = store.add_phase(cycle, "Regression", free_form=False)
    with store.database.writing() as session:
        session.add_all(
            RequirementLink(requirement_id=requirement, testcase_id=case)
            for requirement, covered in requirements.items()
            for case in covered
        )
        _fill(session, regression, shop)
    execution = store.execution(regression, _FAILED_ID)
    assert execution is not None
    store.add_defect(execution.id, "SHOP-7", "Expired cards are accepted")
    return (
        "Test cases 101 to 112, some with steps; 103 has the Alt ID AUTH-1",
        "Requirements REQ-1 and REQ-2; the status 'Needs review' besides the usual ones",
    )


def _fill(session: Session, phase_id: int, folder_id: int) -> None:
    """Copy a folder into a structured phase, and add results of its test cases."""
    phase = get(session, Phase, phase_id)
    user = seeding.first_user(session).id
    planning.copy_tree(session, phase, planning.repository_node(session, folder_id))
    placements = planning.unassigned(session, Node.phase_id == phase_id)
    planning.assign(session, phase_id, dict.fromkeys(placements, user))
    ids = {row.testcase_id: row.id for row in queries.executions(session, phase_id)}
    night = now_ms() - 8 * 3_600_000
    last_week = night - 7 * 86_400_000
    executing.execute(
        session,
        user,
        [
            NewResult(
                ids[_FAILED_ID], user, "1", actual_time=2310, executed_on=last_week
            )
        ],
    )
    executing.execute(
        session,
        user,
        [
            NewResult(
                ids[case],
                user,
                status,
                notes=notes,
                actual_time=900 + 370 * (case % 7),
                executed_on=night + 4000 * (case - 100),
            )
            for case, (status, notes) in _RESULTS.items()
        ],
    )
    executing.save_step_results(
        session,
        [
            NewStepResult(ids[_FAILED_ID], 1, "1", executed_on=night),
            NewStepResult(ids[_FAILED_ID], 2, "2", "The order was placed", night),
        ],
    )
    screenshot = Path(__file__).with_name("demo.png")
    attachments.add(
        session,
        attachments.EXECUTION_ITEM_TYPE,
        ids[_FAILED_ID],
        name="checkout.png",
        content_type="image/png",
        data=screenshot.read_bytes(),
        creator_id=user,
        created_on=night,
    )
