"""Connections to a server: TLS with certificates of a test authority, and proxies."""

from __future__ import annotations

import base64
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import ExitStack
from contextlib import suppress
import logging
import os
import shutil
import socket
import ssl
import subprocess
import threading
from typing import Any

from cryptography.hazmat.primitives import serialization
import pytest
import requests

from pytest_zephyr.client.transport import Transport
from pytest_zephyr.errors import SettingsError
from pytest_zephyr.errors import ZephyrRefused
from pytest_zephyr.errors import ZephyrUnreachable
from pytest_zephyr.errors import ZephyrWriteUnanswered
from pytest_zephyr.sandbox import Fault
from pytest_zephyr.sandbox import Sandbox
from tests.client.calls import PROXY_PASSWORD
from tests.client.calls import refuse_with_headers
from tests.client.calls import SECRETS
from tests.client.calls import send_read
from tests.client.calls import send_write
from tests.client.calls import TOKEN
from tests.client.calls import visible_text
from tests.client.calls import with_proxy_password
from tests.client.servers import answer
from tests.client.servers import ConnectProxy
from tests.client.servers import ForwardProxy
from tests.client.servers import settings_for
from tests.client.servers import unused_port


# Proxies


def test_a_proxy_is_used_for_reads_and_writes(
    target, start_server, make_settings, connect
):
    proxy = ForwardProxy()
    server = start_server(proxy)
    transport = connect(make_settings(proxy=server.url))

    send_read(transport)
    send_write(transport, target)

    assert [each.method for each in proxy.forwarded] == ["GET", "PUT"]
    assert target.execution(101).status == "1"


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy"])
def test_a_proxy_of_the_environment_is_used(
    start_server, make_settings, connect, monkeypatch, name
):
    proxy = ForwardProxy()
    monkeypatch.setenv(name, start_server(proxy).url)

    send_read(connect(make_settings()))

    assert len(proxy.forwarded) == 1


@pytest.mark.parametrize("value", ["127.0.0.1", "*", "example.com,127.0.0.1"])
@pytest.mark.parametrize("set_by", ["option", "environment"])
def test_no_proxy_is_respected(
    start_server, make_settings, connect, monkeypatch, set_by, value
):
    """NO_PROXY also applies to a proxy that is set with an option."""
    proxy = ForwardProxy()
    server = start_server(proxy)
    if set_by == "environment":
        monkeypatch.setenv("HTTP_PROXY", server.url)
    monkeypatch.setenv("NO_PROXY", value)

    send_read(connect(make_settings(proxy=server.url if set_by == "option" else None)))

    assert proxy.forwarded == []


def test_a_proxy_option_overrides_the_environment(
    start_server, make_settings, connect, monkeypatch
):
    proxy = ForwardProxy()
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{unused_port()}")

    send_read(connect(make_settings(proxy=start_server(proxy).url)))

    assert len(proxy.forwarded) == 1


def test_a_socks_proxy_needs_a_package(connect, monkeypatch):
    def without_package(*_args: object, **_options: object) -> None:
        # What requests does if PySocks is not installed.
        raise requests.exceptions.InvalidSchema("Missing dependencies")

    monkeypatch.setattr(requests.adapters, "SOCKSProxyManager", without_package)
    proxy = "socks5://proxy.example:1080"
    transport = connect(settings_for(TOKEN, url="http://zephyr.example", proxy=proxy))

    with pytest.raises(ZephyrUnreachable) as caught:
        send_read(transport)

    assert str(caught.value) == (
        f"the proxy {proxy} (from --zephyr-proxy) needs the package PySocks; install that."
    )


def test_a_proxy_gets_its_own_credential_and_messages_hide_it(
    start_server, connect, caplog
):
    """The password is hidden even if the answer of the proxy repeats it."""
    caplog.set_level(logging.DEBUG)
    server = start_server(refuse_with_headers)
    address = with_proxy_password(server.url)
    transport = connect(settings_for(TOKEN, url="http://zephyr.example", proxy=address))

    with pytest.raises(ZephyrRefused) as caught:
        send_read(transport)

    pair = base64.b64encode(f"mallory:{PROXY_PASSWORD}".encode()).decode()
    assert server.requests[0].headers["proxy-authorization"] == f"Basic {pair}"
    visible = f"{visible_text(caught.value, with_locals=False)} {caplog.messages}"
    assert [each for each in (*SECRETS, pair) if each in visible] == []


@pytest.mark.parametrize("set_by", ["option", "environment"])
def test_an_unreachable_proxy_is_named_without_its_password(
    connect, caplog, monkeypatch, set_by
):
    caplog.set_level(logging.DEBUG)
    address = f"http://mallory:{PROXY_PASSWORD}@127.0.0.1:{unused_port()}"
    if set_by == "environment":
        monkeypatch.setenv("HTTP_PROXY", address)
    transport = connect(
        settings_for(
            TOKEN,
            url="http://zephyr.example",
            proxy=address if set_by == "option" else None,
        )
    )

    with pytest.raises(ZephyrUnreachable) as caught:
        send_read(transport)

    text = str(caught.value)
    source = "--zephyr-proxy" if set_by == "option" else "HTTP_PROXY"
    assert text.startswith("no connection through the proxy http://<hidden>@127.0.0.1:")
    assert f" (from {source}) to http://zephyr.example (from --zephyr-url): " in text
    visible = f"{visible_text(caught.value)} {caplog.messages}"
    assert [each for each in SECRETS if each in visible] == []


# TLS


def test_verify_may_name_the_file_of_a_private_authority(tls_sandbox, ca_file):
    settings = settings_for(tls_sandbox.token, url=tls_sandbox.url, verify=ca_file)
    with Transport(settings) as transport:
        assert tls_sandbox.url.startswith("https://")
        assert send_read(transport)


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_the_environment_may_name_the_file_of_a_private_authority(
    tls_sandbox, ca_file, monkeypatch, name
):
    monkeypatch.setenv(name, str(ca_file))
    settings = settings_for(tls_sandbox.token, url=tls_sandbox.url)
    with Transport(settings) as transport:
        assert send_read(transport)


def test_verify_system_trusts_the_authorities_of_the_system(
    tls_sandbox, ca_file, monkeypatch
):
    """OpenSSL reads the authorities of the system from the file in SSL_CERT_FILE."""
    settings = settings_for(tls_sandbox.token, url=tls_sandbox.url, verify="system")
    with (
        Transport(settings) as transport,
        pytest.raises(ZephyrUnreachable) as caught,
    ):
        send_read(transport)
    assert "certificate" in str(caught.value)

    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    with Transport(settings) as transport:
        assert send_read(transport)


@pytest.mark.parametrize("call", [send_read, send_write], ids=["read", "write"])
def test_an_unknown_authority_is_refused_with_advice(tls_sandbox, call):
    transport = Transport(settings_for(TOKEN, url=tls_sandbox.url))
    with transport, pytest.raises(ZephyrUnreachable) as caught:
        call(transport)

    assert not isinstance(caught.value, ZephyrWriteUnanswered)
    assert tls_sandbox.requests == []
    text = str(caught.value)
    assert text == (
        f"the certificate of {tls_sandbox.url} (from --zephyr-url) is not trusted: this"
        f" machine does not know the authority that signed it. Ask the administrator of"
        f" the server for the certificate of the authority that signed it, and set"
        f" zephyr_verify to the path of that file."
    )


def test_a_certificate_of_another_host_is_refused(certificate_authority, ca_file):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate_authority.issue_cert("zephyr.example").configure_cert(context)
    with Sandbox(tls=context) as sandbox:
        with (
            Transport(
                settings_for(TOKEN, url=sandbox.url, verify=ca_file)
            ) as transport,
            pytest.raises(
                ZephyrUnreachable, match="is for another host: IP address mismatch"
            ),
        ):
            send_read(transport)

        assert sandbox.requests == []


def test_verify_false_accepts_any_certificate_without_a_warning(tls_sandbox):
    """The plugin has its own warning; that of urllib3 would be an error here."""
    settings = settings_for(tls_sandbox.token, url=tls_sandbox.url, verify="false")
    with Transport(settings) as transport:
        assert send_read(transport)


def test_verify_false_is_not_undone_by_the_environment(
    tls_sandbox, monkeypatch, tmp_path
):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "gone.pem"))
    settings = settings_for(tls_sandbox.token, url=tls_sandbox.url, verify="false")
    with Transport(settings) as transport:
        assert send_read(transport)


@pytest.mark.parametrize("files", [1, 2], ids=["one file", "certificate and key"])
def test_a_client_certificate_is_shown_to_the_server(
    tls_context, certificate_authority, ca_file, tmp_path, files
):
    tls_context.verify_mode = ssl.CERT_REQUIRED
    certificate_authority.configure_trust(tls_context)
    issued = certificate_authority.issue_cert("ada@example.com")
    certificate, key = tmp_path / "client.pem", tmp_path / "client.key"
    if files == 1:
        issued.private_key_and_cert_chain_pem.write_to_path(str(certificate))
    else:
        issued.cert_chain_pems[0].write_to_path(str(certificate))
        issued.private_key_pem.write_to_path(str(key))
    client_cert = str(certificate) if files == 1 else f"{certificate},{key}"
    with Sandbox(tls=tls_context) as sandbox:
        settings = settings_for(
            sandbox.token, url=sandbox.url, verify=ca_file, client_cert=client_cert
        )
        with Transport(settings) as transport:
            assert send_read(transport)


def test_a_missing_client_certificate_is_reported(
    tls_context, certificate_authority, ca_file
):
    tls_context.verify_mode = ssl.CERT_REQUIRED
    certificate_authority.configure_trust(tls_context)
    with Sandbox(tls=tls_context) as sandbox:
        settings = settings_for(sandbox.token, url=sandbox.url, verify=ca_file)
        transport = Transport(settings)
        with transport, pytest.raises(ZephyrUnreachable, match="zephyr_client_cert"):
            send_read(transport)

        assert sandbox.requests == []


@pytest.mark.parametrize("option", ["verify", "client_cert"])
def test_a_tls_file_without_a_certificate_is_not_tried_again(
    certificate_authority, ca_file, tls_sandbox, tmp_path, pauses, option
):
    """Another try would fail in the same way; the message names the settings."""
    useless, key = tmp_path / "useless.pem", tmp_path / "client.key"
    useless.write_text("no certificate\n", encoding="utf-8")
    issued = certificate_authority.issue_cert("ada@example.com")
    issued.private_key_pem.write_to_path(str(key))
    settings = settings_for(
        tls_sandbox.token,
        url=tls_sandbox.url,
        verify=useless if option == "verify" else ca_file,
        client_cert=f"{useless},{key}" if option == "client_cert" else None,
    )
    with (
        Transport(settings) as transport,
        pytest.raises(ZephyrUnreachable) as caught,
    ):
        send_read(transport)

    assert "Check zephyr_client_cert and zephyr_verify" in str(caught.value)
    assert pauses == []


def test_a_write_that_is_cut_off_over_tls_is_unanswered(tls_sandbox, ca_file):
    tls_sandbox.faults.add(Fault("PUT", kind="cut_after"))
    settings = settings_for(tls_sandbox.token, url=tls_sandbox.url, verify=ca_file)
    with Transport(settings) as transport, pytest.raises(ZephyrWriteUnanswered):
        send_write(transport)


# Tunnels


@pytest.fixture
def start_proxy() -> Iterator[Callable[..., ConnectProxy]]:
    """Return a function that starts a proxy with tunnels."""
    with ExitStack() as stack:
        yield lambda password="": stack.enter_context(ConnectProxy(password))


@pytest.mark.parametrize(
    "set_by", ["option", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"]
)
def test_a_server_with_tls_is_reached_through_a_tunnel(
    tls_sandbox, ca_file, start_proxy, connect, monkeypatch, set_by
):
    """The proxy gets its own credential, but not that of the server."""
    proxy = start_proxy(PROXY_PASSWORD)
    options: dict[str, Any] = {"verify": ca_file}
    if set_by == "option":
        options["proxy"] = with_proxy_password(proxy.url)
    else:
        monkeypatch.setenv(set_by, with_proxy_password(proxy.url))
    transport = connect(settings_for(tls_sandbox.token, url=tls_sandbox.url, **options))

    assert send_read(transport)
    assert send_read(transport)
    assert proxy.tunnels == [tls_sandbox.url.removeprefix("https://")]
    assert "authorization" not in proxy.requests[0].headers


def test_verify_system_works_through_a_tunnel(
    tls_sandbox, ca_file, start_proxy, connect, monkeypatch
):
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    options = {"verify": "system", "proxy": start_proxy().url}
    transport = connect(settings_for(tls_sandbox.token, url=tls_sandbox.url, **options))

    assert send_read(transport)


@pytest.mark.parametrize("set_by", ["option", "environment"])
@pytest.mark.parametrize("value", ["127.0.0.1", "*"])
def test_no_proxy_is_respected_for_tunnels(
    tls_sandbox, ca_file, start_proxy, connect, monkeypatch, set_by, value
):
    proxy = start_proxy()
    monkeypatch.setenv("NO_PROXY", value)
    if set_by == "environment":
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    settings = settings_for(
        tls_sandbox.token,
        url=tls_sandbox.url,
        verify=ca_file,
        proxy=proxy.url if set_by == "option" else None,
    )

    assert send_read(connect(settings))
    assert proxy.requests == []


@pytest.mark.parametrize("call", [send_read, send_write], ids=["read", "write"])
def test_a_proxy_that_rejects_the_login_is_named_without_its_password(
    tls_sandbox, ca_file, start_proxy, connect, caplog, call
):
    """The request did not reach the server, so a write certainly did not happen."""
    caplog.set_level(logging.DEBUG)
    proxy = start_proxy("another")
    settings = settings_for(
        TOKEN, url=tls_sandbox.url, verify=ca_file, proxy=with_proxy_password(proxy.url)
    )
    with pytest.raises(ZephyrUnreachable) as caught:
        call(connect(settings))

    assert not isinstance(caught.value, ZephyrWriteUnanswered)
    text = str(caught.value)
    assert text.startswith("no connection through the proxy http://<hidden>@127.0.0.1:")
    assert "it does not accept the user name and password in its address (407)" in text
    visible = f"{visible_text(caught.value)} {caplog.messages}"
    pair = base64.b64encode(f"mallory:{PROXY_PASSWORD}".encode()).decode()
    assert [each for each in (*SECRETS, pair) if each in visible] == []
    assert tls_sandbox.requests == []


def test_a_proxy_for_plain_http_that_requires_a_login_is_named(start_server, connect):
    server = start_server(lambda _request: answer(status=407))
    settings = settings_for(TOKEN, url="http://zephyr.example", proxy=server.url)

    with pytest.raises(
        ZephyrRefused,
        match=r"^the proxy http://127.* requires a user name and password",
    ):
        send_read(connect(settings))


# A directory of authorities, and failures of TLS


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl rehash")
def test_verify_may_name_a_directory_of_authorities(
    tls_sandbox, ca_file, tmp_path, connect
):
    """The files in it have the names that openssl rehash gives."""
    directory = tmp_path / "trusted"
    directory.mkdir()
    shutil.copy(ca_file, directory / "ca.pem")
    subprocess.run(["openssl", "rehash", directory], check=True)

    settings = settings_for(tls_sandbox.token, url=tls_sandbox.url, verify=directory)
    assert send_read(connect(settings))


def test_a_directory_without_hashed_names_is_refused_with_advice(ca_file):
    """OpenSSL finds nothing in it, so every certificate would be unknown."""
    with pytest.raises(SettingsError, match="openssl rehash") as caught:
        settings_for(TOKEN, url="https://zephyr.example", verify=ca_file.parent)

    assert str(caught.value).startswith("invalid zephyr_verify '")


@pytest.mark.parametrize("defect", ["another key", "encrypted key", "no PEM"])
@pytest.mark.parametrize("files", [1, 2], ids=["one file", "certificate and key"])
def test_an_unusable_client_certificate_is_not_tried_again(
    tls_sandbox,
    certificate_authority,
    ca_file,
    tmp_path,
    connect,
    pauses,
    defect,
    files,
):
    """OpenSSL does not prompt for the pass phrase of an encrypted key."""
    issued = certificate_authority.issue_cert("ada@example.com")
    chain, key = issued.cert_chain_pems[0].bytes(), issued.private_key_pem.bytes()
    if defect == "another key":
        key = certificate_authority.issue_cert(
            "eve@example.com"
        ).private_key_pem.bytes()
    elif defect == "no PEM":
        key = b"nothing"
    else:
        loaded = serialization.load_pem_private_key(key, None)
        key = loaded.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.BestAvailableEncryption(b"phrase"),
        )
    certificate, key_file = tmp_path / "client.pem", tmp_path / "client.key"
    certificate.write_bytes(chain + key if files == 1 else chain)
    key_file.write_bytes(key)
    client_cert = str(certificate) if files == 1 else f"{certificate},{key_file}"
    settings = settings_for(
        TOKEN, url=tls_sandbox.url, verify=ca_file, client_cert=client_cert
    )
    with pytest.raises(
        ZephyrUnreachable, match="Check zephyr_client_cert and zephyr_verify"
    ):
        send_read(connect(settings))

    assert pauses == []
    assert tls_sandbox.requests == []


def test_https_to_a_port_for_http_is_reported(target, connect):
    url = target.sandbox.url.replace("http:", "https:")
    with pytest.raises(
        ZephyrUnreachable,
        match="this port speaks http, not https",
    ):
        send_read(connect(settings_for(TOKEN, url=url)))


def test_a_tls_failure_during_a_write_is_unanswered(tls_context, ca_file, connect):
    """The server may have carried the write out before its answer was broken."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer_rubbish() -> None:
            raw, _ = listener.accept()
            with tls_context.wrap_socket(raw, server_side=True) as sock:
                data = b""
                while not data.endswith(b"[]"):
                    data += sock.recv(65536)
                # The client cannot decrypt this TLS record: its checksum is wrong.
                os.write(sock.fileno(), b"\x17\x03\x03\x00\x20" + b"x" * 32)
                with suppress(OSError):
                    sock.recv(1)

        server = threading.Thread(target=answer_rubbish)
        server.start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(ZephyrWriteUnanswered, match="TLS with"):
            send_write(connect(settings_for(TOKEN, url=url, verify=ca_file)))
        server.join()
