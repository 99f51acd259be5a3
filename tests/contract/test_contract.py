"""The contract file itself, and the checks that calls keep to it."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import replace
import io
import json
import re
import time
from typing import Any
from typing import TYPE_CHECKING

import pytest

from tests.contract.contract import Contract
from tests.contract.contract import ContractMiddleware
from tests.contract.schemas import Schemas


if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIEnvironment

V3 = "/flex/services/rest/v3"
JSON = {"Content-Type": "application/json"}
BEARER = {"Authorization": "Bearer 0123456789abcdef0123456789abcdef01234567"}
BASIC = {"Authorization": "Basic dGVzdC5tYW5hZ2VyOnNlY3JldA=="}
COOKIE = {"Cookie": "theme=dark; token=5a1d1c9e-0000-4000-8000-000000000000"}
SAMPLES = {"apiVersion": "v3", "entityName": "testcase", "fromId": "-1"}
CONTRACT = Contract.load()


@dataclass(frozen=True)
class Call:
    """A call and its answer, as the contract would have them."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = tuple(BEARER.items())
    body: bytes = b""
    status: int = 200
    answer_headers: tuple[tuple[str, str], ...] = tuple(JSON.items())
    answer: bytes = b"{}"

    def sends(self, value: object) -> Call:
        headers = (*self.headers, *JSON.items())
        return replace(self, headers=headers, body=json.dumps(value).encode())

    def asks(self, *query: tuple[str, str]) -> Call:
        return replace(self, query=query)

    def says(self, *headers: dict[str, str]) -> Call:
        pairs = [pair for some in headers for pair in some.items()]
        return replace(self, headers=tuple(pairs))

    def gets(self, status: int, body: object, kind: str = "application/json") -> Call:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = (("Content-Type", kind),)
        return replace(self, status=status, answer_headers=headers, answer=data)

    def violations(self) -> list[str]:
        return CONTRACT.check(
            self.method,
            self.path,
            list(self.query),
            self.headers,
            self.body,
            self.status,
            self.answer_headers,
            self.answer,
        )


USER = Call("GET", f"{V3}/user/current").gets(200, {"id": 1})
PHASE = Call("POST", f"{V3}/cycle/7/phase").gets(200, {"id": 3, "name": "smoke"})
LISTED = Call("GET", f"{V3}/execution").gets(200, {"results": []})
FOLDER = Call("POST", f"{V3}/testcasetree", (("parentid", "0"),)).gets(
    200, {"id": 5, "name": "N4"}
)
NEW_FOLDER = {"name": "N4", "type": "Phase", "releaseId": 1}
EXECUTE = Call("PUT", f"{V3}/execution/bulk/execute").gets(200, [{"id": 33023}])
RESULT = {"rtsId": 33023, "testerId": 7, "status": "1"}
UNASSIGN = Call("DELETE", f"{V3}/execution", (("ids", "1"), ("ids", "2")))
CASES = Call("POST", f"{V3}/testcase/bulk").gets(200, [])
UPLOAD = Call("POST", "/flex/upload/document/genericattachment").gets(200, [])
MULTIPART = {"Content-Type": "multipart/form-data; boundary=xyz"}
LOGIN = Call("GET", f"{V3}/manifest").says(BASIC).gets(200, b"", "text/html")


def new_case(**fields: object) -> list[dict[str, object]]:
    return [{"tcrCatalogTreeId": 1, "testcase": {"name": "a", **fields}}]


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def json_examples(raw: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    media = raw.get("content", {}).get("application/json", {})
    for name, example in media.get("examples", {}).items():
        yield name, example["value"]


# --- the document


def test_every_reference_leads_somewhere():
    schemas = Schemas(CONTRACT.document)

    for reference in references(CONTRACT.document):
        assert schemas.target(reference) is not None


def test_operation_ids_are_unique_and_on_every_operation():
    names = [operation.name for operation in CONTRACT.operations]

    assert len(names) == len(set(names)) > 60


def test_document_says_which_version_of_openapi_it_is():
    assert re.fullmatch(r"3\.1\.\d+", CONTRACT.document["openapi"])
    assert CONTRACT.document["info"].keys() >= {"title", "version"}


@pytest.mark.parametrize("operation", CONTRACT.operations, ids=lambda each: each.name)
def test_operation_declares_the_parameters_of_its_path_and_its_failures(operation):
    templated = set(re.findall(r"{(\w+)}", operation.template))

    assert operation.path.keys() == templated
    assert operation.answers.keys() >= {"default", "401"}
    assert any(status.startswith("2") for status in operation.answers)
    assert all(parameter.required for parameter in operation.path.values())


def test_every_component_is_used():
    used = set(references(CONTRACT.document))
    unused = {
        f"#/components/{kind}/{name}"
        for kind, entries in CONTRACT.document["components"].items()
        if kind != "securitySchemes"
        for name in entries
    } - used

    # The parsed text of a preference is no answer of its own.
    assert unused == {"#/components/schemas/LovEntry"}


def test_every_schema_is_valid():
    schemas = Schemas(CONTRACT.document)

    for name in CONTRACT.document["components"]["schemas"]:
        schemas.schema({"$ref": f"#/components/schemas/{name}"}).check()


def test_examples_of_schemas_are_valid():
    schemas = Schemas(CONTRACT.document)

    for raw in CONTRACT.document["components"]["schemas"].values():
        for example in raw.get("examples", ()):
            assert schemas.schema(raw).problems(example) == []


# --- calls that are right


def examples() -> Iterator[Any]:
    """Calls with the contract's own examples, as requests and as answers."""
    for operation in CONTRACT.operations:
        raw = CONTRACT.document["paths"][operation.template][operation.method.lower()]
        call = Call(
            operation.method,
            re.sub(r"{(\w+)}", lambda m: SAMPLES.get(m[1], "7"), operation.template),
            tuple(
                (name, "1")
                for name, parameter in operation.query.items()
                if parameter.required
            ),
        )
        for name, value in json_examples(raw.get("requestBody", {})):
            sent = call.sends(value)
            yield pytest.param("request", sent, id=f"{operation.name}-{name}")
        for status, answer in raw["responses"].items():
            for name, value in json_examples(answer):
                got = call.gets(int(status), value)
                yield pytest.param(
                    "answer", got, id=f"{operation.name}-{status}-{name}"
                )


@pytest.mark.parametrize(("side", "call"), list(examples()))
def test_examples_of_the_contract_keep_to_it(side, call):
    """A request's example has no answer beside it, and the other way round."""
    problems = call.violations()

    assert [problem for problem in problems if problem.startswith(side)] == []


RIGHT = {
    "bearer": USER,
    "basic": USER.says(BASIC),
    "cookie": USER.says(COOKIE),
    "login": LOGIN,
    "other-version": replace(USER, path="/flex/services/rest/latest/user/current"),
    "unknown-properties-of-answer": USER.gets(200, {"id": 1, "new": None}),
    "charset": USER.gets(200, {"id": 1}, "application/json;charset=UTF-8"),
    "number-and-boolean": LISTED.asks(
        ("cyclephaseid", "3"), ("pagesize", "0"), ("isascorder", "true")
    ),
    "number-below-zero": LISTED.asks(("testerid", "-10")),
    "repeated": UNASSIGN.gets(204, b""),
    "empty-value": FOLDER.asks(("parentid", "0"), ("assignedusers", "")).sends(
        NEW_FOLDER
    ),
    "trailing-slash": Call("POST", f"{V3}/testcase/")
    .sends(new_case()[0])
    .gets(200, {"id": 1}),
    "literal-before-template": Call("GET", f"{V3}/testcasetree/lite")
    .asks(("type", "Phase"), ("releaseid", "1"))
    .gets(200, []),
    "free-properties": CASES.sends(new_case(customProperties={"Any": {"thing": 1}})),
    "steps": CASES.sends(new_case(testSteps={"steps": [{"orderId": 1, "step": "a"}]})),
    "multipart": replace(UPLOAD.says(BEARER, MULTIPART), body=b"--xyz--"),
    "no-body": Call("POST", f"{V3}/assignmenttree/3/assign").gets(200, 12),
    "loose-answer-is-empty": UNASSIGN.gets(200, b""),
    "loose-answer-is-text": UNASSIGN.gets(200, b"deleted", "text/plain"),
    "not-found-is-empty": USER.gets(404, b""),
    "failure-is-empty": USER.gets(405, b""),
    "failure-is-a-page": USER.gets(500, b"<html>", "text/html"),
    "nested-401": USER.gets(401, {"message": '{"message": "no"}'}),
    "wrapped-search": Call("GET", f"{V3}/advancesearch")
    .asks(
        ("word", "a"),
        ("entitytype", "testcase"),
        ("releaseid", "1"),
        ("zql", "false"),
        ("firstresult", "0"),
        ("maxresults", "100"),
    )
    .gets(200, [{"results": []}]),
    "file": Call("GET", "/flex/download")
    .asks(("action", "download"), ("fileId", "a1"))
    .gets(200, b"\x00", "application/octet-stream"),
    "page": Call("GET", "/phase/3").says().gets(200, b"<html>", "text/html"),
    "control": Call("POST", "/sandbox/faults").says().gets(201, b"[]"),
    "not-quite-a-root": Call("GET", "/flex/html5").says().gets(302, b"x"),
}


@pytest.mark.parametrize("call", RIGHT.values(), ids=RIGHT)
def test_call_that_is_right_has_no_violation(call):
    assert call.violations() == []


# --- calls that are wrong

WRONG = {
    "unknown-path": (
        replace(USER, path=f"{V3}/user/currant"),
        "request: the contract has no such path",
    ),
    "slash-too-many": (
        replace(USER, path=f"{V3}/user/current/"),
        "request: the contract has no such path",
    ),
    "slash-too-few": (
        Call("POST", f"{V3}/testcase").sends(new_case()[0]),
        r"request: POST is not a method of .*/testcase: PUT",
    ),
    "empty-segment": (
        replace(PHASE, path=f"{V3}/cycle//phase").sends({"freeForm": True}),
        "request: the contract has no such path",
    ),
    "unknown-version": (
        replace(USER, path="/flex/services/rest/v2/user/current"),
        "request: path parameter apiVersion: .*'v2' is not one of",
    ),
    "method": (
        replace(USER, method="POST"),
        "request: POST is not a method of .*/user/current: GET",
    ),
    "method-of-literal-path": (
        replace(FOLDER, path=f"{V3}/testcasetree/lite"),
        "request: POST is not a method of .*/testcasetree/lite: GET",
    ),
    "path-parameter": (
        replace(PHASE, path=f"{V3}/cycle/seven/phase").sends({"freeForm": True}),
        "request: path parameter cycleId: .*'seven' is not of type 'integer'",
    ),
    "path-parameter-below-zero": (
        replace(PHASE, path=f"{V3}/cycle/-1/phase").sends({"freeForm": True}),
        "request: path parameter cycleId: .*-1 is less than the minimum",
    ),
    "path-parameter-too-large": (
        replace(PHASE, path=f"{V3}/cycle/{2**63}/phase").sends({"freeForm": True}),
        "request: path parameter cycleId: .*is not a 'int64'",
    ),
    "misspelled-parameter": (
        LISTED.asks(("cycleid", "133")),
        "request: listExecutions has no query parameter 'cycleid'",
    ),
    "parameter-in-other-case": (
        LISTED.asks(("cyclePhaseId", "133")),
        "request: listExecutions has no query parameter 'cyclePhaseId'",
    ),
    "missing-parameter": (
        FOLDER.asks().sends(NEW_FOLDER),
        "request: query parameter parentid is missing",
    ),
    "no-number": (
        LISTED.asks(("pagesize", "all")),
        "request: query parameter pagesize: .*'all' is not of type 'integer'",
    ),
    "number-with-plus": (
        LISTED.asks(("pagesize", "+5")),
        "request: query parameter pagesize: ",
    ),
    "number-out-of-range": (
        LISTED.asks(("offset", "-5")),
        "request: query parameter offset: .*-5 is less than the minimum of 0",
    ),
    "boolean-in-upper-case": (
        LISTED.asks(("isascorder", "True")),
        "request: query parameter isascorder: .*'True' is not of type 'boolean'",
    ),
    "empty-number": (
        LISTED.asks(("cyclephaseid", "")),
        "request: query parameter cyclephaseid: ",
    ),
    "repeated-parameter": (
        LISTED.asks(("pagesize", "1"), ("pagesize", "2")),
        "request: query parameter pagesize: given 2 times",
    ),
    "comma-list": (
        UNASSIGN.asks(("ids", "1,2")).gets(204, b""),
        r"request: query parameter ids: .*\[0\]: '1,2' is not of type 'integer'",
    ),
    "unknown-value": (
        Call("GET", f"{V3}/attachment")
        .asks(("itemid", "1"), ("type", "releasetestschedule"))
        .gets(200, []),
        "request: query parameter type: .*is not one of",
    ),
    "no-credential": (USER.says(), "request: no credential"),
    "two-credentials": (
        USER.says(BEARER, COOKIE),
        "request: 2 credentials where one is enough: Bearer, cookie token",
    ),
    "empty-token": (
        USER.says({"Authorization": "Bearer "}),
        "request: getCurrentUser is not for credential Authorization without value",
    ),
    "unknown-scheme": (
        USER.says({"Authorization": "Digest abc"}),
        "request: getCurrentUser is not for credential Digest",
    ),
    "login-with-token": (
        LOGIN.says(BEARER),
        "request: login is not for credential Bearer, only: Basic",
    ),
    "missing-body": (EXECUTE, "request: the body is missing"),
    "body-where-none-is": (USER.sends({}), "request: getCurrentUser takes no body"),
    "content-type-of-body": (
        replace(EXECUTE.sends([RESULT]), headers=tuple(BEARER.items())),
        "request: content type '' is not application/json",
    ),
    "json-for-multipart": (
        UPLOAD.sends({}),
        "request: content type 'application/json' is not multipart/form-data",
    ),
    "boundary": (
        replace(
            UPLOAD.says(BEARER, {"Content-Type": "multipart/form-data"}), body=b"x"
        ),
        "request: a multipart body without a boundary",
    ),
    "body-is-no-json": (
        replace(EXECUTE.says(BEARER, JSON), body=b"[{"),
        "request: the body is not JSON",
    ),
    "not-a-number": (
        EXECUTE.sends([{**RESULT, "actualTime": float("nan")}]),
        "request: the body is not JSON: NaN",
    ),
    "body-is-no-utf-8": (
        replace(EXECUTE.says(BEARER, JSON), body=b'["\xff"]'),
        "request: the body is not JSON",
    ),
    "null": (
        EXECUTE.sends([{**RESULT, "notes": None}]),
        r"request: body \$\[0\].notes: None is not of type 'string'",
    ),
    "missing-property": (
        EXECUTE.sends([RESULT, {"rtsId": 1, "testerId": 7}]),
        r"request: body \$\[1\]: 'status' is a required property",
    ),
    "type-of-property": (
        EXECUTE.sends([{**RESULT, "status": 1}]),
        r"request: body \$\[0\].status: 1 is not of type 'string'",
    ),
    "name-too-long": (
        CASES.sends(new_case(name="a" * 256)),
        r"request: body \$\[0\].testcase.name: .*is too long",
    ),
    "too-many-rows": (
        EXECUTE.sends([RESULT] * 501),
        r"request: body \$: .*too long",
    ),
    "invented-property": (
        EXECUTE.sends([RESULT, {**RESULT, "comment": "x"}]),
        r"request: body \$\[1\]: no property is called 'comment'",
    ),
    "invented-property-behind-reference": (
        FOLDER.sends({**NEW_FOLDER, "parentId": 0}),
        r"request: body \$: no property is called 'parentId'",
    ),
    "invented-property-behind-all-of": (
        CASES.sends(new_case(altId="A-1")),
        r"request: body \$\[0\].testcase: no property is called 'altId'",
    ),
    "invented-property-deep-inside": (
        CASES.sends(new_case(testSteps={"steps": [{"text": "x"}]})),
        r"request: body \$\[0\].testcase.testSteps.steps\[0\]: .* 'text'",
    ),
    "undeclared-success": (
        USER.gets(201, {"id": 1}),
        "answer: status 201 is not declared",
    ),
    "redirect": (USER.gets(308, b""), "answer: status 308 is not declared"),
    "content-type-of-answer": (
        USER.gets(200, {"id": 1}, "text/plain"),
        "answer: content type 'text/plain' is not application/json",
    ),
    "page-instead-of-answer": (
        USER.gets(200, b"<html>", "text/html"),
        "answer: content type 'text/html' is not application/json",
    ),
    "empty-answer": (USER.gets(200, b""), "answer: the body is missing"),
    "empty-401": (USER.gets(401, b""), "answer: the body is missing"),
    "204-with-body": (UNASSIGN.gets(204, b"x"), "answer: a body where there is none"),
    "204-undeclared": (
        USER.gets(204, b""),
        "answer: status 204 is not declared",
    ),
    "answer-is-no-json": (USER.gets(200, b"{"), "answer: the body is not JSON"),
    "property-of-answer": (
        USER.gets(200, {"id": "1"}),
        r"answer: body \$.id: '1' is not of type 'integer'",
    ),
    "row-of-envelope": (
        LISTED.gets(200, {"results": [{"id": 1}, {"status": "1"}]}),
        r"answer: body \$.results\[1\]: 'id' is a required property",
    ),
    "alternative-of-row": (
        LISTED.gets(200, {"results": [{"id": 1, "lastTestResult": {"id": "x"}}]}),
        r"answer: body \$.results\[0\].lastTestResult.id: 'x' is not of type",
    ),
    "nested-node": (
        Call("GET", f"{V3}/testcasetree/5").gets(
            200, {"id": 5, "name": "a", "categories": [{"id": 6, "categories": []}]}
        ),
        r"answer: body \$.categories\[0\]: 'name' is a required property",
    ),
    "error-body": (
        USER.gets(400, {"errorMsg": 5}),
        r"answer: body \$.errorMsg: 5 is not of type 'string'",
    ),
}


@pytest.mark.parametrize(("call", "expected"), WRONG.values(), ids=WRONG)
def test_call_that_is_wrong_has_the_one_violation(call, expected):
    (violation,) = call.violations()

    assert re.match(expected, violation)


def test_a_mistake_in_every_row_is_told_a_few_times():
    violations = EXECUTE.sends([{**RESULT, "comment": "x"}] * 500).violations()

    assert len(violations) == 6
    assert violations[-1] == "request: body and more of the kind"


def test_long_value_is_cut_in_the_message():
    (violation,) = CASES.sends(new_case(name="a" * 5000)).violations()

    assert len(violation) < 400
    assert violation.endswith("is too long")


def test_query_and_body_are_checked_together():
    call = FOLDER.asks(("parentId", "0")).sends({**NEW_FOLDER, "type": "Folder"})

    assert len(call.violations()) == 3


def test_checking_is_quick():
    """The limits are far above what it takes, and far below one check per row."""
    rows = EXECUTE.sends([RESULT] * 500)
    rows.violations()
    USER.violations()
    start = time.process_time()
    for _ in range(1000):
        USER.violations()
    small = time.process_time() - start
    rows.violations()
    large = time.process_time() - start - small

    assert small < 2
    assert large < 1


# --- the middleware


class Application:
    """A WSGI application that answers as it is told and keeps what it was sent."""

    def __init__(
        self,
        body: Iterable[bytes] = (b'{"id": 1}',),
        status: str = "200 OK",
        length: bool = True,
        fault: bool = False,
    ) -> None:
        self.body = list(body)
        self.status = status
        self.fault = fault
        self.length = length
        self.read: bytes | None = None
        self.closed = 0

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        self.read = environ["wsgi.input"].read()
        headers = [("Content-Type", "application/json")]
        if self.length:
            size = sum(map(len, self.body))
            headers.append(("Content-Length", str(size)))
        start_response(self.status, headers)
        if self.fault:
            environ["sandbox.fault"] = "on purpose"
        return Parts(self)


class Parts:
    def __init__(self, application: Application) -> None:
        self._application = application

    def __iter__(self) -> Iterator[bytes]:
        for part in self._application.body:
            if part == b"!":
                raise ConnectionResetError
            yield part

    def close(self) -> None:
        self._application.closed += 1


def environ_of(path: str = "/user/current", **changes: Any) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": V3 + path,
        "QUERY_STRING": "",
        "HTTP_AUTHORIZATION": BEARER["Authorization"],
        "wsgi.input": io.BytesIO(),
        **changes,
    }


def posted(body: bytes, **changes: Any) -> dict[str, Any]:
    return environ_of(
        "/testcasetree",
        **{
            "REQUEST_METHOD": "POST",
            "QUERY_STRING": "parentid=0&assignedusers=",
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
            **changes,
        },
    )


def start_nothing(*_: object) -> Any:
    return bytearray().extend


def answer_of(middleware: ContractMiddleware, environ: dict[str, Any]) -> list[bytes]:
    answer = middleware(environ, start_nothing)
    try:
        return list(answer)
    finally:
        getattr(answer, "close", lambda: None)()


def test_middleware_passes_request_and_answer_on():
    application = Application([b'{"id": 5, ', b'"name": "N4"}'])
    middleware = ContractMiddleware(application)
    body = json.dumps(NEW_FOLDER).encode()

    assert answer_of(middleware, posted(body)) == application.body
    assert application.read == body
    assert application.closed == 1
    assert middleware.violations == []
    assert middleware.calls == 1


def test_middleware_reads_a_body_of_unknown_length():
    application = Application([b'{"id": 5, "name": "N4"}'])
    middleware = ContractMiddleware(application)
    environ = posted(b'{"name": "N4"}')
    del environ["CONTENT_LENGTH"]
    answer_of(middleware, {**environ, "wsgi.input_terminated": True})

    assert application.read == b'{"name": "N4"}'
    assert len(middleware.violations) == 2


def test_middleware_leaves_the_next_request_of_the_connection_alone():
    stream = io.BytesIO(b"{}GET /")
    answer_of(
        ContractMiddleware(Application()),
        posted(b"", **{"CONTENT_LENGTH": "2", "wsgi.input": stream}),
    )

    assert stream.read() == b"GET /"


def test_middleware_does_not_judge_a_request_that_was_cut_short():
    middleware = ContractMiddleware(Application([b'{"id": 5, "name": "N4"}']))
    answer_of(middleware, posted(b'{"na', CONTENT_LENGTH="400"))

    assert middleware.violations == []


def test_middleware_names_call_and_side():
    middleware = ContractMiddleware(Application([b"{}"]))
    answer_of(middleware, environ_of(QUERY_STRING="auditlog=%C3%A4"))

    asked, answered = middleware.violations
    assert asked == (
        f"GET {V3}/user/current: request: "
        "getCurrentUser has no query parameter 'auditlog', it has: none"
    )
    assert answered == (
        f"GET {V3}/user/current: answer: body $: 'id' is a required property"
    )


def test_middleware_allows_what_a_test_expects():
    middleware = ContractMiddleware(Application([b"{}"]))
    middleware.allow(r"user/current: request: .*'auditlog'")
    answer_of(middleware, environ_of(QUERY_STRING="auditlog=true"))

    (violation,) = middleware.violations
    assert "answer" in violation


def test_middleware_judges_only_the_request_if_the_answer_is_a_fault():
    middleware = ContractMiddleware(Application([b"{"], fault=True))
    answer_of(middleware, environ_of(HTTP_AUTHORIZATION=""))

    (violation,) = middleware.violations
    assert "request" in violation


def test_middleware_ignores_pages():
    middleware = ContractMiddleware(Application([b"<html>"]))

    assert answer_of(middleware, environ_of(PATH_INFO="/phase/3")) == [b"<html>"]
    assert middleware.violations == []
    assert middleware.calls == 0


def test_middleware_lets_a_broken_stream_break():
    application = Application([b'{"id": 1', b"!"], length=False)
    middleware = ContractMiddleware(application)

    with pytest.raises(ConnectionResetError):
        answer_of(middleware, environ_of())
    assert application.closed == 1
    assert middleware.violations == []


def test_middleware_lets_an_exception_of_the_application_through():
    def raising(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        answer_of(ContractMiddleware(raising), environ_of())


def test_middleware_does_not_judge_an_answer_nobody_waited_for():
    application = Application([b"[", b"]"], length=False)
    middleware = ContractMiddleware(application)
    answer: Any = middleware(environ_of(), start_nothing)
    next(answer)
    answer.close()

    assert application.closed == 1
    assert middleware.violations == []


def test_finding_is_there_before_the_client_has_the_last_byte():
    middleware = ContractMiddleware(Application([b"[", b"]"]))
    answer = iter(middleware(environ_of(), start_nothing))
    next(answer)
    before = len(middleware.violations)
    next(answer)

    assert (before, len(middleware.violations)) == (0, 1)


def test_middleware_streams():
    seen: list[str] = []

    def application(environ: WSGIEnvironment, start: StartResponse) -> Iterator[bytes]:
        start("200 OK", [("Content-Type", "application/json")])
        for part in (b'{"id"', b": 1}"):
            seen.append("made")
            yield part

    middleware = ContractMiddleware(application)
    answer = iter(middleware(environ_of(), start_nothing))
    while next(answer, None):
        seen.append("got")

    assert seen == ["made", "got", "made", "got"]
    assert middleware.violations == []


def test_middleware_sees_what_is_written_the_old_way():
    def application(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        start("200 OK", [("Content-Type", "application/json")])(b"{}")
        return []

    middleware = ContractMiddleware(application)
    answer_of(middleware, environ_of())

    assert len(middleware.violations) == 1
