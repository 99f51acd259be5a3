"""The sandbox answers generated calls as the contract says."""

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

MAX_EXAMPLES = 4

# Schemathesis checks the answers, too. A 500 is no failure: it means an unknown id.
checks = pytest.importorskip("schemathesis.specs.openapi.checks")
CHECKS = [checks.content_type_conformance, checks.response_schema_conformance]

# The attribute of `KnownIds` for each name, in lower case, of an id in a path, a query
# or a body.
KNOWN_ID_NAMES = {
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
    "temppath": "temp_path",
    "fileid": "file_id",
}

schema = schemathesis.openapi.from_dict(
    Contract.load().document,
    config=schemathesis.Config.from_dict(
        {
            "generation": {
                "deterministic": True,
                "max-examples": MAX_EXAMPLES,
                "with-security-parameters": False,
            },
            # Try the limits of valid values. Only some invalid values are generated:
            # trying all of them takes minutes.
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
    max_examples=MAX_EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    # The examples of an operation share the fixtures: none needs a server of its own.
    suppress_health_check=list(HealthCheck),
)
def test_a_generated_call_is_answered_as_in_the_contract(case, server, known_ids):
    """A call that is answered 500 is made again with ids that the server knows."""
    if check(case, server) == 500:
        parts = (case.path_parameters, case.query, case.body)
        replaced = (with_known_ids(part, known_ids) for part in parts)
        case.path_parameters, case.query, case.body = replaced
        check(case, server)


def check(case: Any, server: Server) -> int:
    """Make the call, check that its answer keeps to the contract, and return its status."""
    response = case.call(
        base_url=server.sandbox.url,
        session=server.http,
        headers=server.credential,
        timeout=30,
    )
    server.http.cookies.clear()
    request = response.request
    problems = Contract.load().check_answer(
        request.method,
        unquote(urlsplit(request.url).path),
        response.status_code,
        "".join(response.headers.get("content-type", [])),
        response.content,
    )

    assert server.take_crashes() == []
    assert problems == []
    case.validate_response(response, checks=CHECKS)
    status: int = response.status_code
    return status


def with_known_ids(value: Any, known: KnownIds, name: str = "") -> Any:
    """Return *value* with its ids replaced by ids that the server has."""
    if isinstance(value, Mapping):
        return {key: with_known_ids(each, known, key) for key, each in value.items()}
    if isinstance(value, list):
        return [with_known_ids(each, known, name) for each in value]
    attribute = KNOWN_ID_NAMES.get(name.lower())
    if attribute is None or isinstance(value, bool):
        return value
    known_id = getattr(known, attribute)
    return known_id if isinstance(value, type(known_id)) else value
