"""The sandbox keeps to the contract whatever it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote
from urllib.parse import urlsplit

from hypothesis import HealthCheck
from hypothesis import Phase
from hypothesis import settings
import pytest

from tests.contract.conftest import KnownIds
from tests.contract.conftest import Server
from tests.contract.contract import Contract
from tests.contract.test_sandbox_contract import NOT_OFFERED


schemathesis = pytest.importorskip("schemathesis")

EXAMPLES = 4

# A second opinion. A 500 is how the server answers for unknown ids, and no failure.
checks = pytest.importorskip("schemathesis.specs.openapi.checks")
CHECKS = [checks.content_type_conformance, checks.response_schema_conformance]

# Which of the known ids a name in a path, a query or a body stands for.
MEANT = {
    "projectid": "project",
    "releaseid": "release",
    "cycleid": "cycle",
    "cyclephaseid": "phase",
    "treeid": "folder",
    "tcrcatalogtreeid": "folder",
    "parenttreeid": "phase_tree",
    "tctid": "placement",
    "tctids": "version",
    "testcaseid": "case",
    "testcaseversionid": "version",
    "executionid": "execution",
    "rtsid": "execution",
    "releasetestscheduleid": "execution",
    "ids": "execution",
    "itemid": "execution",
    "attachmentid": "attachment",
    "requirementid": "requirement",
    "testerid": "tester",
    "userid": "tester",
    "eitherid": "version",
    "treeids": "folder",
    "toid": "tester",
    "temppath": "sent",
    "fileid": "file",
}

schema = schemathesis.openapi.from_dict(
    Contract.load().document,
    config=schemathesis.Config.from_dict(
        {
            "generation": {
                "deterministic": True,
                "max-examples": EXAMPLES,
                "with-security-parameters": False,
            },
            # Every limit from inside; what lies outside is left to the examples, as
            # trying all of it takes minutes.
            "phases": {
                "coverage": {
                    "unexpected-methods": [],
                    "generation": {"mode": "positive"},
                },
            },
        }
    ),
).exclude(operation_id=sorted(NOT_OFFERED))


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    # One server does for all examples of an operation: it only gets fuller.
    suppress_health_check=list(HealthCheck),
)
def test_answer_is_as_in_the_contract_whatever_is_asked(case, server, known_ids):
    """Where ids are unknown, the call is made again with ids the server knows."""
    if check(case, server) == 500:
        parts = (case.path_parameters, case.query, case.body)
        meant = (with_known(part, known_ids) for part in parts)
        case.path_parameters, case.query, case.body = meant
        check(case, server)


def check(case: Any, server: Server) -> int:
    """Make the call, and return the status if the answer is right."""
    response = case.call(
        base_url=server.sandbox.url,
        session=server.http,
        headers=server.credential,
        timeout=30,
    )
    server.http.cookies.clear()
    request = response.request
    found = Contract.load().check_answer(
        request.method,
        unquote(urlsplit(request.url).path),
        response.status_code,
        "".join(response.headers.get("content-type", [])),
        response.content,
    )

    assert server.take_crashes() == []
    assert found == []
    case.validate_response(response, checks=CHECKS)
    status: int = response.status_code
    return status


def with_known(value: Any, known: KnownIds, name: str = "") -> Any:
    """Return *value* with ids that exist wherever there are ids."""
    if isinstance(value, Mapping):
        return {key: with_known(each, known, key) for key, each in value.items()}
    if isinstance(value, list):
        return [with_known(each, known, name) for each in value]
    attribute = MEANT.get(name.lower())
    if attribute is None or isinstance(value, bool):
        return value
    meant = getattr(known, attribute)
    return meant if isinstance(value, type(meant)) else value
