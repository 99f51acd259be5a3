"""The contract file itself, and the checks that calls keep to it."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import replace
import io
import json
import re
from typing import Any
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from openapi_spec_validator import validate
import pytest

from tests.contract.contract import Contract
from tests.contract.contract import ContractMiddleware


if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIApplication
    from _typeshed.wsgi import WSGIEnvironment

V3 = "/flex/services/rest/v3"
JSON = {"Content-Type": "application/json"}
BEARER = {"Authorization": "Bearer 0123456789abcdef0123456789abcdef01234567"}
BASIC = {"Authorization": "Basic dGVzdC5tYW5hZ2VyOnNlY3JldA=="}
COOKIE = {"Cookie": "theme=dark; token=5a1d1c9e-0000-4000-8000-000000000000"}
PATH_VALUES = {"apiVersion": "v3", "entityName": "testcase", "fromId": "-1"}
CONTRACT = Contract.load()


@dataclass(frozen=True)
class Exchange:
    """A request, by default with a token, and its answer, by default ``{}``."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = tuple(BEARER.items())
    body: bytes = b""
    status: int = 200
    content_type: str = "application/json"
    answer: bytes = b"{}"

    def with_json(self, value: object) -> Exchange:
        headers = (*self.headers, *JSON.items())
        return replace(self, headers=headers, body=json.dumps(value).encode())

    def with_query(self, *query: tuple[str, str]) -> Exchange:
        return replace(self, query=query)

    def with_headers(self, *headers: dict[str, str]) -> Exchange:
        pairs = [pair for some in headers for pair in some.items()]
        return replace(self, headers=tuple(pairs))

    def answered(
        self, status: int, body: object, content_type: str = "application/json"
    ) -> Exchange:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return replace(self, status=status, content_type=content_type, answer=data)

    def request_problems(self) -> list[str]:
        query = urlencode(self.query)
        headers = dict(self.headers)
        return CONTRACT.check_request(self.method, self.path, query, headers, self.body)

    def answer_problems(self) -> list[str]:
        return CONTRACT.check_answer(
            self.method, self.path, self.status, self.content_type, self.answer
        )


USER = Exchange("GET", f"{V3}/user/current").answered(200, {"id": 1})
PHASE = Exchange("POST", f"{V3}/cycle/7/phase").answered(
    200, {"id": 3, "name": "smoke"}
)
LISTED = Exchange("GET", f"{V3}/execution").answered(200, {"results": []})
FOLDER = Exchange("POST", f"{V3}/testcasetree", (("parentid", "0"),)).answered(
    200, {"id": 5, "name": "N4"}
)
NEW_FOLDER = {"name": "N4", "type": "Phase", "releaseId": 1}
EXECUTE = Exchange("PUT", f"{V3}/execution/bulk/execute").answered(200, [{"id": 33023}])
RESULT = {"rtsId": 33023, "testerId": 7, "status": "1"}
UNASSIGN = Exchange("DELETE", f"{V3}/execution", (("ids", "1"), ("ids", "2")))
CASES = Exchange("POST", f"{V3}/testcase/bulk").answered(200, [])
UPLOAD = Exchange("POST", "/flex/upload/document/genericattachment").answered(200, [])
MULTIPART = {"Content-Type": "multipart/form-data; boundary=xyz"}
LOGIN = (
    Exchange("GET", f"{V3}/manifest")
    .with_headers(BASIC)
    .answered(200, b"", "text/html")
)


def new_case(**fields: object) -> list[dict[str, object]]:
    return [{"tcrCatalogTreeId": 1, "testcase": {"name": "a", **fields}}]


def json_examples(raw: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the name and value of each example of a request body or an answer."""
    media = raw.get("content", {}).get("application/json", {})
    for name, example in media.get("examples", {}).items():
        yield name, example["value"]


def test_the_document_is_valid():
    """References have a target, ids are unique, and paths have their parameters."""
    validate(CONTRACT.document)


def examples() -> Iterator[Any]:
    """Yield a check of each JSON example in the contract, a request or an answer."""
    for template, item in CONTRACT.document["paths"].items():
        path = re.sub(r"{(\w+)}", lambda m: PATH_VALUES.get(m[1], "7"), template)
        for method in item.keys() - {"parameters"}:
            operation = CONTRACT.operation(method.upper(), path)
            assert operation is not None
            needed = [
                (each["name"], "1")
                for each in operation["parameters"]
                if each["in"] == "query" and each.get("required")
            ]
            exchange = Exchange(method.upper(), path, tuple(needed))
            name = operation["operationId"]
            for example, value in json_examples(operation.get("requestBody", {})):
                yield pytest.param(
                    exchange.with_json(value).request_problems, id=f"{name}-{example}"
                )
            for status, answer in operation["responses"].items():
                for example, value in json_examples(answer):
                    answered = exchange.answered(int(status), value)
                    yield pytest.param(
                        answered.answer_problems, id=f"{name}-{status}-{example}"
                    )


@pytest.mark.parametrize("problems", list(examples()))
def test_examples_of_the_contract_keep_to_it(problems):
    assert problems() == []


VALID_EXCHANGES: dict[str, Exchange] = {
    "bearer": USER,
    "basic": USER.with_headers(BASIC),
    "cookie": USER.with_headers(COOKIE),
    "login": LOGIN,
    "other-version": replace(USER, path="/flex/services/rest/latest/user/current"),
    "unknown-properties-of-answer": USER.answered(200, {"id": 1, "new": None}),
    "charset": USER.answered(200, {"id": 1}, "application/json;charset=UTF-8"),
    "number-and-boolean": LISTED.with_query(
        ("cyclephaseid", "3"), ("pagesize", "0"), ("isascorder", "true")
    ),
    "number-below-zero": LISTED.with_query(("testerid", "-10")),
    "repeated-parameter": UNASSIGN.answered(204, b""),
    "empty-value": FOLDER.with_query(
        ("parentid", "0"), ("assignedusers", "")
    ).with_json(NEW_FOLDER),
    "trailing-slash": Exchange("POST", f"{V3}/testcase/")
    .with_json(new_case()[0])
    .answered(200, {"id": 1}),
    "literal-before-template": Exchange("GET", f"{V3}/testcasetree/lite")
    .with_query(("type", "Phase"), ("releaseid", "1"))
    .answered(200, []),
    "free-properties": CASES.with_json(
        new_case(customProperties={"Any": {"thing": 1}})
    ),
    "steps": CASES.with_json(
        new_case(testSteps={"steps": [{"orderId": 1, "step": "a"}]})
    ),
    "multipart": replace(UPLOAD.with_headers(BEARER, MULTIPART), body=b"--xyz--"),
    "no-body": Exchange("POST", f"{V3}/assignmenttree/3/assign").answered(200, 12),
    "answer-without-schema-is-empty": UNASSIGN.answered(200, b""),
    "answer-without-schema-is-text": UNASSIGN.answered(200, b"deleted", "text/plain"),
    "not-found-is-empty": USER.answered(404, b""),
    "failure-is-empty": USER.answered(405, b""),
    "failure-is-a-page": USER.answered(500, b"<html>", "text/html"),
    "nested-401": USER.answered(401, {"message": '{"message": "no"}'}),
    "wrapped-search": Exchange("GET", f"{V3}/advancesearch")
    .with_query(
        ("word", "a"),
        ("entitytype", "testcase"),
        ("releaseid", "1"),
        ("zql", "false"),
        ("firstresult", "0"),
        ("maxresults", "100"),
    )
    .answered(200, [{"results": []}]),
    "file": Exchange("GET", "/flex/download")
    .with_query(("action", "download"), ("fileId", "a1"))
    .answered(200, b"\x00", "application/octet-stream"),
}


@pytest.mark.parametrize("exchange", VALID_EXCHANGES.values(), ids=VALID_EXCHANGES)
def test_a_valid_exchange_has_no_violation(exchange):
    assert [*exchange.request_problems(), *exchange.answer_problems()] == []


INVALID_EXCHANGES: dict[str, tuple[Exchange, str]] = {
    "unknown-path": (
        replace(USER, path=f"{V3}/users/current"),
        r"request: .*Path not found",
    ),
    "slash-too-many": (
        replace(USER, path=f"{V3}/user/current/"),
        r"request: .*Path not found",
    ),
    "slash-too-few": (
        Exchange("POST", f"{V3}/testcase").with_json(new_case()[0]),
        r"request: .*Operation post not found",
    ),
    "empty-segment": (
        replace(PHASE, path=f"{V3}/cycle//phase").with_json({"freeForm": True}),
        r"request: .*invalid literal",
    ),
    "unknown-version": (
        replace(USER, path="/flex/services/rest/v2/user/current"),
        r"request: .*'v2' is not one of",
    ),
    "method": (
        replace(USER, method="POST"),
        r"request: .*Operation post not found",
    ),
    "method-of-literal-path": (
        replace(FOLDER, path=f"{V3}/testcasetree/lite"),
        r"request: .*Operation post not found",
    ),
    "path-parameter": (
        replace(PHASE, path=f"{V3}/cycle/seven/phase").with_json({"freeForm": True}),
        r"request: .*seven",
    ),
    "path-parameter-below-zero": (
        replace(PHASE, path=f"{V3}/cycle/-1/phase").with_json({"freeForm": True}),
        r"request: .*-1 is less than",
    ),
    "path-parameter-too-large": (
        replace(PHASE, path=f"{V3}/cycle/{2**63}/phase").with_json({"freeForm": True}),
        r"request: .*is not a 'int64'",
    ),
    "misspelled-parameter": (
        LISTED.with_query(("cycleid", "133")),
        r"request: .*no query parameter 'cycleid'",
    ),
    "parameter-in-other-case": (
        LISTED.with_query(("cyclePhaseId", "133")),
        r"request: .*no query parameter 'cyclePhaseId'",
    ),
    "missing-parameter": (
        FOLDER.with_query().with_json(NEW_FOLDER),
        r"request: .*parentid",
    ),
    "no-number": (
        LISTED.with_query(("pagesize", "all")),
        r"request: .*all",
    ),
    "number-out-of-range": (
        LISTED.with_query(("offset", "-5")),
        r"request: .*-5 is less than",
    ),
    "boolean-in-upper-case": (
        LISTED.with_query(("isascorder", "True")),
        r"request: .*isascorder: 'True' is not",
    ),
    "empty-number": (
        LISTED.with_query(("cyclephaseid", "")),
        r"request: .*invalid literal",
    ),
    "repeated-parameter": (
        LISTED.with_query(("pagesize", "1"), ("pagesize", "2")),
        r"request: .*pagesize is given 2 times",
    ),
    "comma-list": (
        UNASSIGN.with_query(("ids", "1,2")).answered(204, b""),
        r"request: .*1,2",
    ),
    "unknown-value": (
        Exchange("GET", f"{V3}/attachment")
        .with_query(("itemid", "1"), ("type", "releasetestschedule"))
        .answered(200, []),
        r"request: .*is not one of",
    ),
    "no-credential": (
        USER.with_headers(),
        r"request: .*Security not found",
    ),
    "two-credentials": (
        USER.with_headers(BEARER, COOKIE),
        r"request: .*more than one credential",
    ),
    "empty-token": (
        USER.with_headers({"Authorization": "Bearer "}),
        r"request: .*without a value",
    ),
    "unknown-scheme": (
        USER.with_headers({"Authorization": "Digest abc"}),
        r"request: .*Security not found",
    ),
    "login-with-token": (
        LOGIN.with_headers(BEARER),
        r"request: .*Security not found",
    ),
    "missing-body": (
        EXECUTE,
        r"request: .*Missing required request body",
    ),
    "body-where-none-is": (
        USER.with_json({}),
        r"request: .*getCurrentUser takes no body",
    ),
    "content-type-of-body": (
        replace(EXECUTE.with_json([RESULT]), headers=tuple(BEARER.items())),
        r"request: .*mimetype not found",
    ),
    "json-for-multipart": (
        UPLOAD.with_json({}),
        r"request: .*mimetype not found",
    ),
    "missing-boundary": (
        replace(
            UPLOAD.with_headers(BEARER, {"Content-Type": "multipart/form-data"}),
            body=b"x",
        ),
        r"request: .*",
    ),
    "body-is-no-json": (
        replace(EXECUTE.with_headers(BEARER, JSON), body=b"[{"),
        r"request: .*",
    ),
    "not-a-number": (
        EXECUTE.with_json([{**RESULT, "actualTime": float("nan")}]),
        r"request: .*NaN",
    ),
    "body-is-no-utf-8": (
        replace(EXECUTE.with_headers(BEARER, JSON), body=b'["\xff"]'),
        r"request: .*",
    ),
    "null": (
        EXECUTE.with_json([{**RESULT, "notes": None}]),
        r"request: .*\[0\].notes: None is not",
    ),
    "missing-property": (
        EXECUTE.with_json([RESULT, {"rtsId": 1, "testerId": 7}]),
        r"request: .*\[1\]: 'status' is a required",
    ),
    "type-of-property": (
        EXECUTE.with_json([{**RESULT, "status": 1}]),
        r"request: .*\[0\].status: 1 is not",
    ),
    "name-too-long": (
        CASES.with_json(new_case(name="a" * 256)),
        r"request: .*too long",
    ),
    "too-many-rows": (
        EXECUTE.with_json([RESULT] * 501),
        r"request: .*too long",
    ),
    "invented-property": (
        EXECUTE.with_json([RESULT, {**RESULT, "comment": "x"}]),
        r"request: .*\[1\]: Unevaluated properties .*'comment'",
    ),
    "invented-property-behind-reference": (
        FOLDER.with_json({**NEW_FOLDER, "parentId": 0}),
        r"request: .*'parentId'",
    ),
    "invented-property-behind-all-of": (
        CASES.with_json(new_case(altId="A-1")),
        r"request: .*'altId'",
    ),
    "invented-property-deep-inside": (
        CASES.with_json(new_case(testSteps={"steps": [{"text": "x"}]})),
        r"request: .*'text'",
    ),
    "undeclared-success": (
        USER.answered(201, {"id": 1}),
        r"answer: .*status 201 is not declared",
    ),
    "redirect": (
        USER.answered(308, b""),
        r"answer: .*status 308 is not declared",
    ),
    "content-type-of-answer": (
        USER.answered(200, {"id": 1}, "text/plain"),
        r"answer: .*text/plain",
    ),
    "page-instead-of-answer": (
        USER.answered(200, b"<html>", "text/html"),
        r"answer: .*text/html",
    ),
    "empty-answer": (
        USER.answered(200, b""),
        r"answer: .*the body is missing",
    ),
    "empty-401": (
        USER.answered(401, b""),
        r"answer: .*the body is missing",
    ),
    "204-with-body": (
        UNASSIGN.answered(204, b"x"),
        r"answer: .*status 204 has a body",
    ),
    "204-undeclared": (
        USER.answered(204, b""),
        r"answer: .*status 204",
    ),
    "answer-is-no-json": (
        USER.answered(200, b"{"),
        r"answer: .*",
    ),
    "property-of-answer": (
        USER.answered(200, {"id": "1"}),
        r"answer: .*id: '1' is not",
    ),
    "row-of-envelope": (
        LISTED.answered(200, {"results": [{"id": 1}, {"status": "1"}]}),
        r"answer: .*results\[1\]: 'id' is a required",
    ),
    "alternative-of-row": (
        LISTED.answered(200, {"results": [{"id": 1, "lastTestResult": {"id": "x"}}]}),
        r"answer: .*results\[0\].lastTestResult",
    ),
    "nested-node": (
        Exchange("GET", f"{V3}/testcasetree/5").answered(
            200, {"id": 5, "name": "a", "categories": [{"id": 6, "categories": []}]}
        ),
        r"answer: .*categories\[0\]: 'name' is a required",
    ),
    "error-body": (
        USER.answered(400, {"errorMsg": 5}),
        r"answer: .*errorMsg: 5 is not",
    ),
}


@pytest.mark.parametrize(
    ("exchange", "expected"), INVALID_EXCHANGES.values(), ids=INVALID_EXCHANGES
)
def test_an_invalid_exchange_has_one_violation(exchange, expected):
    violations = [*exchange.request_problems(), *exchange.answer_problems()]

    assert len(violations) == 1
    assert re.match(expected, violations[0], re.DOTALL)


def test_messages_about_long_values_are_short():
    invalid = EXECUTE.with_json([{**RESULT, "notes": None, "status": "x" * 5000}] * 500)

    assert max(map(len, invalid.request_problems())) < 500


# The middleware


def application(
    body: bytes = b'{"id": 1}', *, fault: bool = False
) -> Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]:
    """Return an application that answers *body*.

    It stores the body of the request in the environ, as ``test.read``. With *fault*,
    it notes there that the answer is broken on purpose.
    """

    def answer(
        environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        environ["test.read"] = environ["wsgi.input"].read()
        start_response("200 OK", list(JSON.items()))
        if fault:
            environ["sandbox.fault"] = "on purpose"
        return [body[:3], body[3:]]

    return answer


def environ_of(path: str = f"{V3}/user/current", **changes: Any) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
        "HTTP_AUTHORIZATION": BEARER["Authorization"],
        "wsgi.input": io.BytesIO(),
        **changes,
    }


def ask(app: WSGIApplication, environ: dict[str, Any]) -> bytes:
    return b"".join(app(environ, lambda *_: bytearray().extend))


def test_middleware_passes_request_and_answer_on():
    middleware = ContractMiddleware(application(b'{"id": 5, "name": "N4"}'))
    body = json.dumps(NEW_FOLDER).encode()
    environ = environ_of(
        f"{V3}/testcasetree",
        REQUEST_METHOD="POST",
        QUERY_STRING="parentid=0&assignedusers=",
        CONTENT_TYPE="application/json",
        CONTENT_LENGTH=str(len(body)),
        **{"wsgi.input": io.BytesIO(body)},
    )

    assert ask(middleware, environ) == b'{"id": 5, "name": "N4"}'
    assert environ["test.read"] == body
    assert middleware.violations == []
    assert middleware.calls == 1


def test_middleware_names_the_call_in_violations_and_ignores_allowed_ones():
    middleware = ContractMiddleware(application(b"{}"))
    middleware.allow("'b'")
    ask(middleware, environ_of(QUERY_STRING="auditlog=%C3%A4&b=1"))

    of_request, of_answer = middleware.violations
    assert of_request.startswith(f"GET {V3}/user/current: request: no query parameter")
    assert of_answer.startswith(f"GET {V3}/user/current: answer: ")


def test_middleware_checks_only_the_request_if_the_answer_is_a_fault():
    middleware = ContractMiddleware(application(b"{", fault=True))
    ask(middleware, environ_of(HTTP_AUTHORIZATION=""))

    (violation,) = middleware.violations
    assert "request" in violation


def test_middleware_does_not_check_a_request_that_was_cut_short():
    middleware = ContractMiddleware(application(b'{"id": 5, "name": "N4"}'))
    environ = environ_of(
        f"{V3}/testcasetree",
        REQUEST_METHOD="POST",
        CONTENT_LENGTH="400",
        **{"wsgi.input": io.BytesIO(b'{"na')},
    )
    ask(middleware, environ)

    assert middleware.violations == []


@pytest.mark.parametrize("path", ["/phase/3", "/sandbox/faults", "/flex/html5"])
def test_middleware_ignores_pages(path):
    middleware = ContractMiddleware(application(b"<html>"))

    assert ask(middleware, environ_of(path)) == b"<html>"
    assert middleware.violations == []
    assert middleware.calls == 0


def test_middleware_lets_an_exception_of_the_application_through():
    def raising(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        ask(ContractMiddleware(raising), environ_of())
