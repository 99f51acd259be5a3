"""Single calls: retries, deadlines, bad answers, and errors that hide secrets."""

from __future__ import annotations

import base64
from collections.abc import Callable
from email.utils import formatdate
import gzip
from http import HTTPStatus
import logging
import re
import time
import tracemalloc
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_zephyr import clock
from pytest_zephyr.client import responses
from pytest_zephyr.client import transport as transport_module
from pytest_zephyr.client.transport import Transport
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.errors import ZephyrBadAnswer
from pytest_zephyr.errors import ZephyrError
from pytest_zephyr.errors import ZephyrNotFound
from pytest_zephyr.errors import ZephyrRefused
from pytest_zephyr.errors import ZephyrUnauthorized
from pytest_zephyr.errors import ZephyrUnreachable
from pytest_zephyr.errors import ZephyrWriteUnanswered
from pytest_zephyr.sandbox import Fault
from pytest_zephyr.sandbox import Sandbox
from tests.client.calls import PASSWORD
from tests.client.calls import PROXY_PASSWORD
from tests.client.calls import READ_PATH
from tests.client.calls import refuse_with_headers
from tests.client.calls import SECRETS
from tests.client.calls import send_read
from tests.client.calls import send_write
from tests.client.calls import TOKEN
from tests.client.calls import visible_text
from tests.client.calls import WRITE_PATH
from tests.client.servers import answer
from tests.client.servers import settings_for
from tests.client.servers import unused_port


@pytest.fixture
def transport(
    make_settings: Callable[..., Settings], connect: Callable[[Settings], Transport]
) -> Transport:
    return connect(make_settings())


# Repeated calls, and errors after the last try


def test_a_server_that_hangs_is_abandoned_after_the_timeout(
    target, make_settings, connect
):
    target.sandbox.faults.add(
        Fault(path=READ_PATH, kind="hang", seconds=3600, times=None)
    )

    with pytest.raises(ZephyrUnreachable) as caught:
        send_read(connect(make_settings(timeout=0.3, retries=0)))

    assert str(caught.value) == (
        f"no answer from {target.sandbox.url} (from --zephyr-url) to GET {READ_PATH} within"
        f" 0.3 s (zephyr_timeout)."
    )


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(path=READ_PATH, status=429), id="429"),
        pytest.param(Fault(path=READ_PATH, status=503), id="503"),
        pytest.param(Fault(path=READ_PATH, status=502), id="502"),
        pytest.param(Fault(path=READ_PATH, status=504), id="504"),
        pytest.param(Fault(path=READ_PATH, status=500), id="500"),
        pytest.param(Fault(path=READ_PATH, kind="cut_before"), id="cut before"),
        pytest.param(Fault(path=READ_PATH, kind="cut_after"), id="cut after"),
        pytest.param(Fault(path=READ_PATH, kind="truncate"), id="half a body"),
    ],
)
def test_a_read_is_repeated(target, transport, fault):
    target.sandbox.faults.add(fault)

    assert send_read(transport)
    assert target.count_requests(READ_PATH) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 410, 417, 428])
def test_a_refusal_is_not_repeated(target, transport, status):
    target.sandbox.faults.add(Fault(path=READ_PATH, status=status))

    with pytest.raises(
        ZephyrBadAnswer, match=r"^(http|login failed|permission denied)"
    ) as caught:
        send_read(transport)

    assert target.count_requests(READ_PATH) == 1
    assert caught.value.http_status == status


def test_a_read_answered_500_is_repeated_once(target, transport):
    """The server also uses 500 for mistakes of the client, so one retry is enough."""
    target.sandbox.faults.add(Fault(path=READ_PATH, status=500, times=None))

    with pytest.raises(ZephyrRefused, match="answered 500 to GET user/current"):
        send_read(transport)

    assert target.count_requests(READ_PATH) == 2


@pytest.mark.parametrize("retries", [0, 1, 3])
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        pytest.param("status", "answered 503 to .*: Service Unavailable", id="503"),
        pytest.param(
            "truncate",
            r"no answer from .* to GET user/current: the answer was cut off\.$",
            id="cut off",
        ),
    ],
)
def test_the_setting_limits_the_number_of_retries(
    target, make_settings, connect, retries, kind, message
):
    target.sandbox.faults.add(Fault(path=READ_PATH, kind=kind, times=None))

    with pytest.raises(ZephyrUnreachable, match=message):
        send_read(connect(make_settings(retries=retries)))

    assert target.count_requests(READ_PATH) == retries + 1


def test_pauses_grow(target, make_settings, connect, pauses):
    target.sandbox.faults.add(Fault(path=READ_PATH, status=503, times=None))

    with pytest.raises(ZephyrUnreachable):
        send_read(connect(make_settings(retries=5)))

    assert pauses[0] == 0
    assert [0.5 <= pauses[1] <= 1, 1 <= pauses[2] <= 2, 2 <= pauses[3] <= 4] == [
        True
    ] * 3


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("header", "pause"),
    [
        pytest.param("7", 7, id="seconds"),
        pytest.param(lambda: formatdate(time.time() + 60, usegmt=True), 60, id="date"),
        pytest.param("Thu, 01 Jan 2015 00:00:00 GMT", 0, id="past date"),
        pytest.param("soon", 0, id="garbage"),
        pytest.param("-5", 0, id="negative"),
        pytest.param("Thu, 99 Jan 99999999999 00:00:00", 0, id="bad date"),
        pytest.param("", 0, id="empty"),
    ],
)
def test_retry_after_decides_the_pause(
    target, transport, pauses, status, header, pause
):
    """A header that cannot be read is ignored."""
    header = header() if callable(header) else header
    headers = (("Retry-After", header),)
    target.sandbox.faults.add(Fault(path=READ_PATH, status=status, headers=headers))

    assert send_read(transport)
    assert pauses == [pytest.approx(pause, abs=3)]


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(lambda: "3600", id="seconds"),
        pytest.param(lambda: formatdate(time.time() + 3600, usegmt=True), id="a date"),
    ],
)
def test_a_pause_beyond_the_deadline_is_not_waited_for(
    target, make_settings, connect, pauses, header
):
    """The message has the seconds, so that users know when to send the journal."""
    headers = (("Retry-After", header()),)
    target.sandbox.faults.add(Fault(path=READ_PATH, status=429, headers=headers))

    with pytest.raises(ZephyrUnreachable) as caught:
        send_read(connect(make_settings(deadline=20)))

    assert re.search(r"429 to .*, retry after 3(600|59\d) s: Too", str(caught.value))
    assert pauses == []
    assert target.count_requests(READ_PATH) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_a_write_answered_429_or_503_is_repeated(target, transport, status):
    """A server that answers 429 or 503 has written nothing."""
    target.sandbox.faults.add(Fault("PUT", status=status))

    send_write(transport, target)

    assert target.count_requests(WRITE_PATH) == 2
    assert target.execution(101).result_count == 1


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        pytest.param(Fault("PUT", status=500), ZephyrRefused, id="500"),
        pytest.param(Fault("PUT", status=502), ZephyrWriteUnanswered, id="502"),
        pytest.param(Fault("PUT", status=504), ZephyrWriteUnanswered, id="504"),
        pytest.param(
            Fault("PUT", kind="status_after", status=502),
            ZephyrWriteUnanswered,
            id="502 after",
        ),
        pytest.param(
            Fault("PUT", kind="cut_before"), ZephyrWriteUnanswered, id="cut before"
        ),
        pytest.param(
            Fault("PUT", kind="cut_after"), ZephyrWriteUnanswered, id="cut after"
        ),
        pytest.param(
            Fault("PUT", kind="truncate"), ZephyrWriteUnanswered, id="truncated"
        ),
        pytest.param(Fault("PUT", kind="html"), ZephyrWriteUnanswered, id="web page"),
        pytest.param(
            Fault("PUT", kind="not_json"), ZephyrWriteUnanswered, id="not JSON"
        ),
        pytest.param(
            Fault("PUT", kind="not_utf8"), ZephyrWriteUnanswered, id="not UTF-8"
        ),
    ],
)
def test_a_write_that_may_have_been_carried_out_is_sent_once(
    target, transport, fault, error
):
    target.sandbox.faults.add(fault)

    with pytest.raises(error, match=r"PUT execution/bulk/execute") as caught:
        send_write(transport, target)

    assert type(caught.value) is error
    assert target.count_requests(WRITE_PATH) == 1
    assert target.execution(101).result_count <= 1


@pytest.mark.parametrize("kind", ["hang", "hang_after"])
def test_a_write_without_an_answer_may_have_happened(
    target, make_settings, connect, kind
):
    target.sandbox.faults.add(Fault("PUT", kind=kind, seconds=3600))

    with pytest.raises(ZephyrWriteUnanswered) as caught:
        send_write(connect(make_settings(timeout=0.3)), target)

    assert target.count_requests(WRITE_PATH) <= 1
    assert str(caught.value) == (
        f"no answer from {target.sandbox.url} (from --zephyr-url) to PUT {WRITE_PATH} within"
        f" 0.3 s (zephyr_timeout). It may have been carried out."
    )


def test_a_write_is_repeated_if_the_connection_is_refused(connect_to, pauses):
    """A refused connection means that the server got nothing."""
    port = unused_port()

    with pytest.raises(ZephyrUnreachable) as caught:
        send_write(connect_to(f"http://127.0.0.1:{port}"))

    assert not isinstance(caught.value, ZephyrWriteUnanswered)
    assert len(pauses) == 3
    text = str(caught.value)
    assert text.startswith(
        f"no answer from http://127.0.0.1:{port} (from --zephyr-url): "
    )
    assert "refused" in text
    assert " 0x" not in text


def test_a_write_reaches_a_server_that_starts_meanwhile(connect_to, monkeypatch):
    """The port opens between two tries."""
    port = unused_port()
    later = Sandbox(port=port)
    monkeypatch.setattr(
        transport_module,
        "time",
        SimpleNamespace(sleep=lambda _seconds: later.start()),
    )
    try:
        with pytest.raises(ZephyrUnauthorized):
            send_write(connect_to(f"http://127.0.0.1:{port}"))
    finally:
        later.stop()

    assert [each.method for each in later.requests] == ["PUT"]


def test_an_unknown_host_is_reported(connect_to):
    with pytest.raises(
        ZephyrUnreachable, match=r"no answer from http://nowhere\.invalid"
    ):
        send_read(connect_to("http://nowhere.invalid", retries=0))


# The deadline


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(kind="hang", seconds=3600, times=None), id="hangs"),
        pytest.param(Fault(status=503, times=None), id="503"),
        pytest.param(
            Fault(kind="retry_after", status=429, seconds=3600, times=None), id="429"
        ),
        pytest.param(Fault(kind="cut_before", times=None), id="cuts"),
        pytest.param(Fault(kind="latency", seconds=0.25, times=None), id="slow"),
    ],
)
@pytest.mark.parametrize("call", [send_read, send_write], ids=["read", "write"])
def test_nothing_outlasts_the_deadline(target, make_settings, connect, fault, call):
    """The timeout of single requests may be longer than the deadline."""
    target.sandbox.faults.add(fault)
    transport = connect(make_settings(deadline=0.2, timeout=60, retries=100))

    def call_repeatedly() -> None:
        while True:
            call(transport)

    with pytest.raises(ZephyrUnreachable):
        call_repeatedly()


def test_a_refused_port_does_not_outlast_the_deadline(connect_to):
    url = f"http://127.0.0.1:{unused_port()}"

    with pytest.raises(ZephyrUnreachable):
        send_read(connect_to(url, deadline=0.2, retries=100))


def test_a_spent_deadline_is_named_and_nothing_is_sent(
    target, make_settings, connect, monkeypatch
):
    transport = connect(make_settings(deadline=0.01))
    later = clock.monotonic() + 0.02
    monkeypatch.setattr(clock, "monotonic", lambda: later)

    with pytest.raises(ZephyrUnreachable) as caught:
        send_read(transport)

    assert str(caught.value) == (
        f"the time budget of 0.01 s (zephyr_deadline) is spent; GET {READ_PATH} was not sent."
    )
    assert target.sandbox.requests == []


# Answers that cannot be used


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        pytest.param(Fault(kind="html"), "a web page instead of JSON", id="web page"),
        pytest.param(Fault(kind="not_json"), "a body that is not JSON", id="not JSON"),
        pytest.param(Fault(kind="not_utf8"), "a body that is not JSON", id="not UTF-8"),
    ],
)
def test_an_answer_that_is_not_json_is_reported_with_advice(
    target, transport, fault, message
):
    target.sandbox.faults.add(fault)

    with pytest.raises(ZephyrRefused) as caught:
        send_read(transport)

    where = f"{target.sandbox.url} (from --zephyr-url) answered GET {READ_PATH} with {message}"
    assert str(caught.value).startswith(where)
    assert str(caught.value).endswith(" Check zephyr_url.")
    assert caught.value.http_status == 200


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_a_refusal_with_a_web_page_is_reported_as_refusal(target, transport, status):
    page = "<html><body><h1>Tomcat</h1><pre>at com.thed.zephyr</pre></body></html>"
    target.sandbox.faults.add(Fault(status=status, body=page, times=None))

    with pytest.raises(
        ZephyrBadAnswer,
        match=r"^(http.* answered \d+ to |login failed|permission denied)",
    ) as caught:
        send_read(transport)

    assert "<" not in str(caught.value).replace("<hidden>", "")
    assert "com.thed" not in str(caught.value)


def test_secrets_are_hidden_before_a_server_message_is_cut(target, transport):
    body = f'{{"errorMsg": "{"x" * 280}{target.sandbox.token}"}}'
    target.sandbox.faults.add(Fault(status=400, body=body))

    with pytest.raises(ZephyrRefused, match=r"x<hidden>$"):
        send_read(transport)


@pytest.mark.parametrize("is_compressed", [False, True], ids=["plain", "gzip"])
def test_reading_of_a_huge_answer_ends_at_a_limit(
    start_server, connect_to, monkeypatch, is_compressed
):
    """An answer that is too large needs little memory, also if it is compressed."""
    limit = 4 * 1024 * 1024
    monkeypatch.setattr(responses, "MAX_ANSWER_BYTES", limit)
    data = b" " * (64 * 1024 * 1024)
    headers: dict[str, Any] = {"Content_Encoding": "gzip"} if is_compressed else {}
    whole = answer(gzip.compress(data, 1) if is_compressed else data, **headers)
    server = start_server(lambda _request: whole)
    transport = connect_to(server.url)
    tracemalloc.start()
    try:
        with pytest.raises(ZephyrUnreachable, match="the answer has more than 4 MB"):
            send_read(transport)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 4 * limit


def test_a_large_answer_below_the_limit_is_read(target, transport):
    target.sandbox.faults.add(Fault(path=READ_PATH, kind="huge", rows=20))

    assert send_read(transport)


def test_an_answer_above_the_limit_is_reported(target, transport):
    target.sandbox.faults.add(Fault(path=READ_PATH, kind="huge", rows=65, times=None))

    with pytest.raises(ZephyrUnreachable, match="the answer has more than 64 MB"):
        send_read(transport)


def test_a_compressed_answer_is_decompressed(start_server, connect_to):
    compressed = gzip.compress(b'{"id": 7}')
    server = start_server(lambda _request: answer(compressed, Content_Encoding="gzip"))

    assert send_read(connect_to(server.url)) == {"id": 7}


def test_an_answer_with_broken_compression_raises_unreachable(start_server, connect_to):
    server = start_server(lambda _request: answer(b"not gzip", Content_Encoding="gzip"))

    with pytest.raises(ZephyrUnreachable, match=r"^no answer from http:"):
        send_read(connect_to(server.url, retries=0))


def test_bytes_that_are_not_http_raise_unreachable(start_server, connect_to):
    server = start_server(lambda _request: b"SSH-2.0-OpenSSH_9.6\r\n\r\n")

    with pytest.raises(ZephyrUnreachable, match=r"^no answer from http:"):
        send_read(connect_to(server.url, retries=0))


def test_a_byte_order_mark_is_ignored(start_server, connect_to):
    server = start_server(lambda _request: answer(b'\xef\xbb\xbf{"id": 7}'))

    assert send_read(connect_to(server.url)) == {"id": 7}


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        pytest.param(b"", "application/json", id="nothing"),
        pytest.param(b" \r\n", "application/json", id="white space"),
        pytest.param(b"Updated 3 executions", "text/plain;charset=UTF-8", id="text"),
    ],
)
def test_a_write_needs_no_json_in_the_answer(
    start_server, connect_to, body, content_type
):
    server = start_server(lambda _request: answer(body, content_type=content_type))

    assert send_write(connect_to(server.url)) is None


def test_204_is_a_good_answer(start_server, connect_to):
    server = start_server(lambda _request: answer(status=204))

    assert send_write(connect_to(server.url)) is None


def test_json_with_the_content_type_of_text_is_read(start_server, connect_to):
    server = start_server(lambda _request: answer({"id": 7}, content_type="text/plain"))

    assert send_read(connect_to(server.url)) == {"id": 7}


def test_deeply_nested_json_raises_an_error_of_this_package(start_server, connect_to):
    server = start_server(lambda _request: answer(b"[" * 200_000))

    with pytest.raises(ZephyrError):
        send_read(connect_to(server.url))


def test_a_very_long_number_raises_an_error_of_this_package(start_server, connect_to):
    server = start_server(lambda _request: answer(b'{"id": ' + b"1" * 5000 + b"}"))

    with pytest.raises(ZephyrError):
        connect_to(server.url).current_user()


# Messages of refusals


def test_a_refusal_has_address_status_method_path_and_server_message(target, transport):
    with pytest.raises(ZephyrRefused) as caught:
        transport.send("GET", "cycle/999999")

    refused = caught.value
    assert refused.http_status == 500
    assert str(refused) == (
        f"{target.sandbox.url} (from --zephyr-url) answered 500 to GET cycle/999999: No"
        f" row with the given identifier exists: [Cycle#999999]"
    )


@pytest.mark.parametrize(
    ("status", "error_type"),
    [
        (400, ZephyrRefused),
        (401, ZephyrUnauthorized),
        (403, ZephyrUnauthorized),
        (404, ZephyrNotFound),
        (405, ZephyrNotFound),
        (409, ZephyrRefused),
        (410, ZephyrNotFound),
        (413, ZephyrRefused),
        (417, ZephyrRefused),
        (428, ZephyrRefused),
        (429, ZephyrUnreachable),
        (500, ZephyrRefused),
        (502, ZephyrUnreachable),
        (503, ZephyrUnreachable),
        (504, ZephyrUnreachable),
    ],
)
def test_status_decides_the_type_of_error(target, transport, status, error_type):
    target.sandbox.faults.add(Fault(status=status, times=None))

    with pytest.raises(error_type) as caught:
        send_read(transport)

    assert type(caught.value) is error_type
    words = "the token in ZEPHYR_TOKEN" if status == 401 else HTTPStatus(status).phrase
    if status in {404, 405, 410}:
        words = "not the address of Zephyr Enterprise"
    assert target.sandbox.url in str(caught.value)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(
            b'{"errorMsg": "a\\nb\\u0000\\u001b[31mc\\u2028d"}', id="control characters"
        ),
        pytest.param(b'{"errorMsg": "' + b"long " * 5000 + b'"}', id="long"),
        pytest.param(b'{"errorMsg": {"a": [1]}, "message": null}', id="other types"),
        pytest.param(b'["errorMsg"]', id="a list"),
        pytest.param(b"\xff\xfe\x00", id="bytes"),
        pytest.param(b"[" * 100_000, id="deeply nested"),
    ],
)
def test_a_server_message_becomes_one_short_line(start_server, connect_to, body):
    server = start_server(lambda _request: answer(body, status=400))

    with pytest.raises(ZephyrRefused) as caught:
        send_read(connect_to(server.url))

    text = str(caught.value)
    assert text.isprintable()
    assert len(text) < 500


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("call", [send_read, send_write], ids=["read", "write"])
def test_redirects_to_another_server_are_not_followed(
    start_server, connect_to, status, call
):
    other = start_server(lambda _request: answer({"id": 1}))
    location = f"{other.url}/flex/login?next=1"
    server = start_server(lambda _request: answer(status=status, Location=location))

    with pytest.raises(ZephyrRefused) as caught:
        call(connect_to(server.url))

    assert other.requests == []
    assert len(server.requests) == 1
    assert str(caught.value).endswith(
        f"with a redirect to {other.url}. Set zephyr_url to {other.url}"
    )


def test_a_redirect_is_reported_with_advice(target, transport):
    target.sandbox.faults.add(
        Fault(kind="redirect", location="https://ada:pa55@sso.example/login?t=t0k3n")
    )

    with pytest.raises(ZephyrRefused) as caught:
        send_read(transport)

    text = str(caught.value)
    assert (
        "a redirect to https://sso.example. Set zephyr_url to the server's own" in text
    )
    assert "a server with single sign-on needs a token" in text
    assert "pa55" not in text
    assert "t0k3n" not in text


@pytest.mark.parametrize(
    "location",
    ["", "http://[half", "//", "http://host:port/", "\xff\xfe", "/login"],
    ids=["none", "half an IPv6 host", "no host", "bad port", "bytes", "path only"],
)
def test_a_redirect_without_a_usable_address_is_reported(
    start_server, connect_to, location
):
    server = start_server(lambda _request: answer(status=302, Location=location))

    with pytest.raises(ZephyrRefused, match="answered 302 to"):
        send_read(connect_to(server.url))


# Secrets


LOGINS = {
    "token": {"token": TOKEN},
    "basic": {"username": "ada", "password": PASSWORD},
    "cookie": {"username": "ada", "password": PASSWORD, "auth": "cookie"},
}


@pytest.mark.parametrize("login", LOGINS)
def test_a_secret_that_the_server_repeats_is_hidden(start_server, connect, login):
    server = start_server(refuse_with_headers)
    transport = connect(settings_for(url=server.url, **LOGINS[login]))

    with pytest.raises(ZephyrRefused) as caught:
        send_read(transport)

    message = str(caught.value)
    assert "<hidden>" in message
    assert [secret for secret in SECRETS if secret in message] == []


FAULTS = {
    "refused": Fault(status=400, times=None),
    "unauthorized": Fault(status=401, times=None),
    "server error": Fault(status=500, times=None),
    "unavailable": Fault(status=503, times=None),
    "cut": Fault(kind="cut_before", times=None),
    "web page": Fault(kind="html", times=None),
    "redirect": Fault(kind="redirect", times=None),
    "hang": Fault(kind="hang", seconds=3600, times=None),
}


@pytest.mark.parametrize("failure", FAULTS)
@pytest.mark.parametrize("login", LOGINS)
def test_no_failure_shows_a_secret(target, connect, caplog, login, failure):
    """Messages, tracebacks with local variables, and log lines have no secret."""
    caplog.set_level(logging.DEBUG)
    store = target.sandbox.store
    secrets = [store.token, store.user.password]
    secrets.append(
        base64.b64encode(f"{store.user.username}:{secrets[1]}".encode()).decode()
    )
    logins: dict[str, dict[str, Any]] = {
        "token": {"token": secrets[0]},
        "basic": {"username": store.user.username, "password": secrets[1]},
        "cookie": {
            "username": store.user.username,
            "password": secrets[1],
            "auth": "cookie",
        },
    }
    settings = settings_for(
        url=target.sandbox.url, timeout=0.2, retries=1, **logins[login]
    )
    transport = connect(settings)
    if login == "cookie":
        send_read(transport)
    target.sandbox.faults.add(FAULTS[failure])

    with pytest.raises(ZephyrError) as caught:
        send_read(transport)

    logged = " ".join(f"{each.getMessage()} {each.args!r}" for each in caplog.records)
    assert "urllib3" in {each.name.partition(".")[0] for each in caplog.records}
    visible = visible_text(caught.value) + logged
    assert [secret for secret in secrets if secret in visible] == []


def test_settings_and_transport_show_no_secret(connect):
    settings = settings_for(
        url="http://zephyr.example",
        proxy=f"http://mallory:{PROXY_PASSWORD}@127.0.0.1:1",
        **LOGINS["basic"],
    )
    transport = connect(settings)

    visible = f"{transport!r} {settings!r} {settings} {settings.credential!r}"
    assert [secret for secret in SECRETS if secret in visible] == []


# What is sent


def test_a_request_names_the_plugin_and_accepts_json(start_server, connect_to):
    server = start_server(lambda _request: answer({}))
    transport = connect_to(server.url)

    send_write(transport, body=[{"notes": "größer ✓"}])

    (request,) = server.requests
    assert request.headers["user-agent"].startswith("pytest-zephyr/")
    assert request.headers["accept"] == "application/json"
    assert request.headers["content-type"] == "application/json"
    assert request.target == f"/flex/services/rest/v3/{WRITE_PATH}"
    assert request.body == b'[{"notes": "gr\\u00f6\\u00dfer \\u2713"}]'


def test_booleans_of_a_query_are_in_lower_case(start_server, connect_to):
    server = start_server(lambda _request: answer([]))

    connect_to(server.url).send("GET", "execution", {"a": True, "b": False, "c": 7})

    assert server.requests[0].query == {"a": "true", "b": "false", "c": "7"}


def test_a_server_below_a_path_is_reached(start_server, connect_to):
    server = start_server(lambda _request: answer({}))

    send_read(connect_to(f"{server.url}/tools/zephyr/flex/html5/login"))

    assert (
        server.requests[0].target == f"/tools/zephyr/flex/services/rest/v3/{READ_PATH}"
    )


def test_connections_are_reused(target, client, caplog):
    """Ten calls need one connection."""
    caplog.set_level(logging.DEBUG, "urllib3.connectionpool")
    for _ in range(10):
        client.current_user()

    opened = [each for each in caplog.messages if each.startswith("Starting new")]
    assert len(opened) == 1
    assert target.count_requests(READ_PATH) == 10


def test_a_write_succeeds_after_the_server_closed_the_connection(
    start_server, connect_to
):
    """The client notices this before it sends the write."""
    server = start_server(
        lambda _request: answer({}).replace(b"Connection: close\r\n", b"")
    )
    transport = connect_to(server.url)
    send_read(transport)
    assert server.connection_closed.wait(5)

    assert send_write(transport) == {}
