"""The Flask application: routes, logins and error answers."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any
from typing import TYPE_CHECKING

from flask import Flask
from flask import request
from flask import Response
from werkzeug.exceptions import HTTPException
from werkzeug.routing import IntegerConverter

from pytest_zephyr.sandbox import auth
from pytest_zephyr.sandbox import control
from pytest_zephyr.sandbox import pages
from pytest_zephyr.sandbox import wire
from pytest_zephyr.sandbox.auth import Unauthorized
from pytest_zephyr.sandbox.data.store import Store
from pytest_zephyr.sandbox.data.values import ApiError
from pytest_zephyr.sandbox.faults import Faults
from pytest_zephyr.sandbox.routes import attachment
from pytest_zephyr.sandbox.routes import cycle
from pytest_zephyr.sandbox.routes import execution
from pytest_zephyr.sandbox.routes import planning
from pytest_zephyr.sandbox.routes import project
from pytest_zephyr.sandbox.routes import repository
from pytest_zephyr.sandbox.routes import requirement
from pytest_zephyr.sandbox.routes import search
from pytest_zephyr.sandbox.routes import session
from pytest_zephyr.sandbox.routes import settings
from pytest_zephyr.sandbox.routes import steps
from pytest_zephyr.sandbox.routes import summary
from pytest_zephyr.sandbox.routes import testcase
from pytest_zephyr.sandbox.routes import testcase_lists
from pytest_zephyr.sandbox.unsupported import UnsupportedCalls


if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIApplication
    from _typeshed.wsgi import WSGIEnvironment


REST_PREFIX = "/flex/services/rest/<any(latest, v3, v4):version>"


class LongConverter(IntegerConverter):
    """64-bit integers; a path with a larger number is not found."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **{"max": wire.MAX_LONG, **kwargs})  # type: ignore[arg-type]


class SignedConverter(LongConverter):
    """Integers that may be negative, as some user ids are."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **{"signed": True, **kwargs})


def create_app(
    store: Store,
    faults: Faults | None = None,
    unsupported_calls: UnsupportedCalls | None = None,
) -> WSGIApplication:
    """Return a WSGI application that serves *store*.

    Its control page lists and changes *faults*; only `FaultyApp` applies them. Calls
    that the sandbox does not support are added to *unsupported_calls*.
    """
    faults = Faults() if faults is None else faults
    unsupported_calls = (
        UnsupportedCalls() if unsupported_calls is None else unsupported_calls
    )
    app = _flask()

    def serve(
        environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        environ[wire.STORE_KEY], environ[wire.FAULTS_KEY] = store, faults
        environ[wire.UNSUPPORTED_KEY] = unsupported_calls
        return app(environ, start_response)

    return serve


@cache
def _flask() -> Flask:
    """Return the Flask application, which all sandboxes of this process share."""
    app = Flask(__name__)
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.url_map.converters["int"] = LongConverter
    app.url_map.converters["signed"] = SignedConverter
    app.before_request(auth.require_user)
    app.before_request(pages.refuse_foreign_forms)
    app.after_request(pages.add_headers)
    app.register_error_handler(ApiError, _api_error)
    app.register_error_handler(Unauthorized, lambda _error: auth.refuse())
    app.register_error_handler(HTTPException, _http_error)
    app.url_value_preprocessor(_forget_version)
    for module in (
        session,
        settings,
        project,
        cycle,
        repository,
        testcase,
        testcase_lists,
        steps,
        planning,
        execution,
        attachment,
        search,
        requirement,
        summary,
    ):
        app.register_blueprint(module.routes, url_prefix=REST_PREFIX)
    app.register_blueprint(attachment.files)
    app.register_blueprint(pages.routes)
    app.register_blueprint(control.routes)
    return app


def _forget_version(_endpoint: str | None, values: dict[str, Any] | None) -> None:
    """Drop the version: every version of the API has the same answers."""
    if values is not None:
        values.pop("version", None)


def _api_error(problem: ApiError) -> Response:
    if problem.message is None:
        return Response(status=problem.status)
    code = problem.code or "Internal Server Error"
    return wire.answer({"errorMsg": problem.message, "errorCode": code}, problem.status)


def _http_error(error: HTTPException) -> Response:
    """Answer HTTP errors: unknown paths, wrong methods, errors of the sandbox itself.

    Count the calls below ``/flex`` that the sandbox does not support.
    """
    if error.code == 404 and auth.is_page(request.path):
        return pages.not_found(error)
    if error.response is not None:
        return Response(
            status=error.response.status_code, headers=dict(error.response.headers)
        )
    if not request.path.startswith("/flex/"):
        response = Response(status=error.code)
    else:
        message = error.description
        if error.code in (404, 405):
            wire.unsupported().add(request.method, request.path)
            message = f"The sandbox does not support {request.method} {request.path}."
        response = wire.answer(
            {"errorMsg": message, "errorCode": error.name}, error.code or 500
        )
    response.headers.extend(
        (name, value) for name, value in error.get_headers() if name.lower() == "allow"
    )
    return response
