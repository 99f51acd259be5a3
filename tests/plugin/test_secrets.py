"""The plugin prints no secret, writes none to a file and sends none in a result.

Secrets are credentials, and the values of parameters with names such as ``password``.
"""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from sqlalchemy import select

from pytest_zephyr.cli import main
from pytest_zephyr.sandbox.data.model import Cookie
from tests.client.calls import COOKIE
from tests.client.calls import PROXY_PASSWORD
from tests.client.calls import refuse_with_headers
from tests.client.calls import with_proxy_password
from tests.client.servers import ForwardProxy
from tests.conftest import needs_xdist
from tests.conftest import SandboxTarget
from tests.conftest import without_and_with_xdist


#: Flags that people add when something does not work.
DEBUG_FLAGS = (
    "-vv",
    "--debug",
    "--showlocals",
    "--log-level=DEBUG",
    "-o",
    "log_cli=true",
)

SUITE = """
    import pytest

    @pytest.mark.zephyr(101)
    def test_a(): pass

    @pytest.mark.zephyr(102)
    def test_b(): assert False
"""

CONFTEST = """
    import http.client
    import logging

    http.client.HTTPConnection.debuglevel = 1
    logging.basicConfig(filename="own.log", level=logging.DEBUG, force=True)
"""

#: Tests with secrets in names, failures, reasons, steps, output and attached texts.
LEAK = """
    import os
    import pytest

    token = os.environ["ZEPHYR_TOKEN"]
    user, password = os.environ["ZEPHYR_USERNAME"], os.environ["ZEPHYR_PASSWORD"]

    @pytest.mark.zephyr(101)
    def test_a(): assert dict(os.environ) == {}, token

    @pytest.mark.zephyr(102)
    @pytest.mark.parametrize("value", [password])
    def test_b(value): raise ValueError(f"cannot log in with {value}")

    @pytest.mark.zephyr(103)
    @pytest.mark.xfail(reason=token)
    def test_c(): assert False

    @pytest.mark.zephyr(104)
    @pytest.mark.parametrize("api_key", ["par4m-k3y"])
    def test_d(zephyr, api_key):
        print(token, password, api_key)
        zephyr.attach_text(f"used {password}", name="used.txt")
        with zephyr.step(f"log in with {token}"):
            pass
        pytest.fail(password * 1000)
"""


def password_forms(username: str, password: str) -> set[str]:
    """Return *password* as it is, and as Basic authentication sends it."""
    pair = f"{username}:{password}".encode()
    return {password, base64.b64encode(pair).decode()}


def cookies(target: SandboxTarget) -> set[str]:
    with target.sandbox.store.database.writing() as session:
        return set(session.scalars(select(Cookie.value)))


def files_with(directory: Path, secrets: set[str]) -> list[str]:
    """Return ``file: secret`` for each of *secrets* that a file contains.

    A file ``*.secret`` is not read: it is the token file.
    """
    return [
        f"{path.relative_to(directory)}: {secret}"
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.suffix != ".secret"
        for secret in sorted(secrets)
        if secret.encode() in path.read_bytes()
    ]


@pytest.fixture
def proxy(start_server):
    return start_server(ForwardProxy())


@pytest.fixture
def echoing_server(start_server):
    """Start a server that refuses every request with the headers of the request."""
    return start_server(refuse_with_headers)


@pytest.fixture
def secrets(target, monkeypatch, pytester, proxy, request):
    """Set the variables for a proxy and for the login that the parameter names.

    Returns the token and the passwords, the latter also as Basic authentication sends
    them.
    """
    store = target.sandbox.store
    login = request.param
    monkeypatch.setenv("TMPDIR", str(pytester.mkdir("tmp")))
    monkeypatch.setenv("ZEPHYR_PROXY", with_proxy_password(proxy.url))
    values = password_forms("mallory", PROXY_PASSWORD) | {store.token}
    values |= password_forms(store.user.username, store.user.password)
    if login == "file":
        file = pytester.path / "token.secret"
        file.write_text(store.token, encoding="utf-8")
        file.chmod(0o600)
        monkeypatch.setenv("ZEPHYR_TOKEN_FILE", str(file))
        monkeypatch.delenv("ZEPHYR_TOKEN")
    elif login != "token":
        monkeypatch.setenv("ZEPHYR_AUTH", login)
        monkeypatch.setenv("ZEPHYR_USERNAME", store.user.username)
        monkeypatch.setenv("ZEPHYR_PASSWORD", store.user.password)
    return values


@needs_xdist
@pytest.mark.parametrize(
    ("secrets", "args", "server"),
    [
        pytest.param("token", ["-n2"], "good", id="token, xdist"),
        pytest.param("file", ["-n2"], "echoing", id="token file, xdist, refused"),
        pytest.param("basic", [], "echoing", id="password, refused"),
        pytest.param("cookie", [], "good", id="cookie"),
        pytest.param("cookie", [], "echoing", id="cookie, refused"),
    ],
    indirect=["secrets"],
)
def test_run_writes_no_credential(
    pytester, run_zephyr, target, monkeypatch, echoing_server, secrets, args, server
):
    """Files and output have none, even with pytest's flags for debugging."""
    pytester.makepyfile(SUITE)
    pytester.makeconftest(CONFTEST)
    if server == "echoing":
        monkeypatch.setenv("ZEPHYR_URL", echoing_server.url)
    ran = run_zephyr(*DEBUG_FLAGS, *args, subprocess=True, check_exit_code=False)
    shown = run_zephyr("--zephyr-show-config", subprocess=True, check_exit_code=False)
    text = ran.text + shown.text
    secrets = secrets | cookies(target) | {COOKIE}

    if server == "good":
        assert target.statuses()[102] == "2"
    else:
        assert "answered 400 to" in text
    # The test process has logged no connection: only the sender speaks HTTP.
    assert "Starting new HTTP connection" not in text + (
        pytester.path / "own.log"
    ).read_text(encoding="utf-8")
    assert {"pytestdebug.log", "own.log"} <= {each.name for each in ran.path.iterdir()}
    assert [secret for secret in secrets if secret in text] == []
    assert files_with(ran.path, secrets) == []


@pytest.mark.parametrize("args", without_and_with_xdist(2))
@pytest.mark.parametrize("secrets", ["basic"], indirect=True)
def test_credentials_in_texts_of_tests_are_hidden(
    pytester, run_zephyr, target, secrets, args
):
    """Neither the journal nor the server gets them; pytest itself may print them."""
    pytester.makepyfile(LEAK)
    secrets = {*secrets, "par4m-k3y"}
    capture = "--zephyr-capture=all"
    ran = run_zephyr(capture, *args, subprocess=bool(args), check_exit_code=False)

    assert target.statuses()[101] == target.statuses()[102] == "2"
    copies = (ran.path / ".zephyr" / "files").iterdir()
    assert [
        secret for path in copies for secret in secrets if secret in path.read_text()
    ] == []
    sent = {
        name: target.sandbox.store.attachment_bytes(target.phase, 104, name)[0].decode()
        for name in ("output.txt", "used.txt", "notes.txt")
    }
    assert sent["used.txt"] == "used <hidden>"
    assert "<hidden> <hidden> <hidden>" in sent["output.txt"]
    assert "log in with <hidden>" in sent["notes.txt"]
    assert [s for s in secrets if s in "".join(sent.values())] == []
    assert files_with(ran.path / ".zephyr", secrets) == []
    comments = " ".join(target.execution(case).comment for case in range(101, 105))
    assert "cannot log in with &lt;hidden&gt;" in comments
    assert [secret for secret in secrets if secret in comments] == []


#: Tests whose texts have a credential at the place where they are cut.
CUT = """
    import os
    import pytest

    token = os.environ["ZEPHYR_TOKEN"]
    fill = "x" * 4000

    @pytest.mark.zephyr(101)
    def test_crash(): raise ValueError(fill[:900] + token * 4)

    @pytest.mark.zephyr(102)
    def test_step(zephyr):
        with zephyr.step("s"):
            raise ValueError(fill[:450] + token * 4)

    @pytest.mark.zephyr(103)
    @pytest.mark.xfail(reason=fill[:970] + token * 4)
    def test_reason(): assert False

    @pytest.mark.zephyr(104)
    def test_text(): raise ValueError("\\n".join([fill, fill] + [token] * 800))

    @pytest.mark.zephyr(fill[:60] + token)
    def test_mark(): pass

    @pytest.mark.zephyr(105)
    @pytest.mark.parametrize(("password", "seen"), [("?", fill[:60] + token)], ids=[7])
    def test_title(password, seen, zephyr):
        zephyr.attach(b"1", name=fill[:190] + token)
        zephyr.attach(fill[:60] + token, name="missing.txt")
"""


def test_cut_texts_have_no_part_of_a_credential(pytester, run_zephyr, target):
    pytester.makepyfile(CUT)
    parts = {target.sandbox.token[:6], target.sandbox.token[-6:]}
    ran = run_zephyr("--tb=no", "-rN", check_exit_code=False)

    assert files_with(ran.path / ".zephyr", parts) == []
    assert [each for each in parts if each in ran.text] == []
    names = [name for name, _, _ in target.execution(105).attachments]
    assert names
    comments = " ".join(target.execution(case).comment for case in range(101, 106))
    assert "&lt;hidden&gt;" in comments
    assert [each for each in parts if each in comments + " ".join(names)] == []


def test_internal_error_shows_no_credential(pytester, run_zephyr, target, monkeypatch):
    def broken(*_args: object) -> None:
        raise ValueError(f"cannot read {target.sandbox.token}")

    pytester.makepyfile(SUITE)
    monkeypatch.setattr("pytest_zephyr.plugin.reports.to_record", broken)
    ran = run_zephyr(check_exit_code=False)

    assert "internal error in pytest_runtest_logreport: ValueError('cannot" in ran.text
    assert target.sandbox.token not in ran.text


def test_proxy_password_on_the_command_line_is_a_warning(
    pytester, run_zephyr, proxy, target
):
    """Every user of the machine can read the command line of a process."""
    pytester.makepyfile(SUITE)
    address = with_proxy_password(proxy.url)
    ran = run_zephyr(f"--zephyr-proxy={address}", check_exit_code=False)

    assert target.statuses()[101] == "1"
    assert "zephyr: others can read the credential of the proxy in" in ran.text
    assert PROXY_PASSWORD not in ran.text
    assert (
        files_with(ran.path / ".zephyr", password_forms("mallory", PROXY_PASSWORD))
        == []
    )


@pytest.mark.parametrize("name", ["token", "password", "username"])
@pytest.mark.parametrize("joined", [True, False], ids=["=", "space"])
def test_the_command_refuses_a_credential_without_showing_it(capsys, name, joined):
    """Flags are not abbreviated: ``--zephyr-token`` is not ``--zephyr-token-file``."""
    flag = f"--zephyr-{name}"
    code = main(["push", *([f"{flag}=s3cr3t"] if joined else [flag, "s3cr3t"])])
    printed = capsys.readouterr()

    assert code == 2
    assert f"zephyr: {flag}: a credential is not accepted here." in printed.err
    assert "s3cr3t" not in printed.out + printed.err


#: Tests with secrets in node ids; that of `test_a` may get ``@db`` from pytest-xdist.
SECRETS_IN_NODE_IDS = """
    import os, pytest

    @pytest.mark.zephyr(101)
    @pytest.mark.parametrize("password", ["swordfish1", "swordfish2"])
    @pytest.mark.xdist_group("db")
    def test_a(password): assert password != "swordfish2", "seen"

    @pytest.mark.zephyr(102)
    @pytest.mark.parametrize(("user", "api_key"), [("ada", "swordfish3")])
    def test_b(user, api_key, zephyr): zephyr.comment("of ada")

    @pytest.mark.zephyr(103)
    @pytest.mark.parametrize("token", ["swordfish4"])
    def test_c(token): {body}
"""


@pytest.mark.parametrize(
    ("args", "body"),
    [
        pytest.param([], "pass", id="one process"),
        pytest.param([], "os.abort()", id="crash"),
        pytest.param(
            ["-n2", "--dist=loadgroup"], "pass", id="xdist", marks=needs_xdist
        ),
        pytest.param(["-n2"], "os.abort()", id="xdist, crash", marks=needs_xdist),
    ],
)
def test_values_of_secret_parameters_are_hidden_in_node_ids(
    pytester, run_zephyr, target, run_command, args, body
):
    """Journal and server do not get them, and each result is on its own test case."""
    pytester.makepyfile(SECRETS_IN_NODE_IDS.format(body=body))
    ran = run_zephyr(*args, "--tb=long", subprocess=True, check_exit_code=False)
    # A process that has died sends nothing itself.
    run_command("push")

    assert files_with(ran.path / ".zephyr", {"swordfish"}) == []
    comments = [target.execution(case).comment or "" for case in (101, 102, 103)]
    assert "swordfish" not in " ".join(comments)
    assert [target.statuses()[case] for case in (101, 102, 103)] == [
        "2",
        "1",
        "1" if body == "pass" else "2",
    ]
    assert "of ada" in comments[1]
    assert "[password=&lt;hidden&gt;]" in comments[0]


#: Tests whose failures, steps and reasons contain the values of secret parameters.
SECRETS_IN_TEXTS = r"""
    import pytest

    @pytest.mark.zephyr(101)
    @pytest.mark.parametrize("credentials", [("ada", "swordfish1")])
    def test_tuple(credentials): assert credentials == ()

    @pytest.mark.zephyr(102)
    @pytest.mark.parametrize("secret", [{"key": "swordfish\n2"}, b"swordfish\xff3"])
    def test_others(secret): assert secret == 1

    @pytest.mark.zephyr(103)
    @pytest.mark.parametrize("password", ["swordfish4"])
    def test_step(password, zephyr):
        with zephyr.step("log in"):
            assert password == "x"

    @pytest.mark.zephyr(104)
    @pytest.mark.parametrize("token", ["swordfish5"])
    def test_xfail(token): pytest.xfail("bad " + token)

    @pytest.mark.zephyr(105)
    @pytest.mark.parametrize("token", ["swordfish6"])
    def test_skip(token): pytest.skip("no " + token)

    @pytest.mark.zephyr(106)
    @pytest.mark.parametrize(("needs_token", "token_kind"), [(True, "test")])
    def test_words(needs_token, token_kind): assert "it is True in pytest" == ""
"""


@pytest.mark.parametrize("args", without_and_with_xdist(2))
def test_values_of_secret_parameters_are_hidden_in_texts(
    pytester, run_zephyr, target, args
):
    """Also values in tuples and dicts. True and short values inside words are shown."""
    pytester.makepyfile(SECRETS_IN_TEXTS)
    ran = run_zephyr(*args, "--tb=long", subprocess=True, check_exit_code=False)

    assert files_with(ran.path / ".zephyr", {"swordfish"}) == []
    comments = [target.execution(case).comment or "" for case in range(101, 107)]
    assert "swordfish" not in " ".join(comments)
    assert "it is True in pytest" in comments[5]


def test_node_ids_with_hidden_values_stay_the_same_if_fewer_tests_are_selected(
    pytester, run_zephyr, target
):
    """A repeated test replaces the result of the same value and no other."""
    pytester.makepyfile(
        """
        import os, pytest

        values = [
            pytest.param("aaaa11", marks=pytest.mark.zephyr(101)),
            pytest.param("bbbb22", marks=pytest.mark.zephyr(102)),
        ]

        @pytest.mark.parametrize("password", values)
        def test_a(password): assert password != "bbbb22" or os.path.exists("fixed")
        """
    )
    key = "--zephyr-run-key=k"
    run_zephyr(key, check_exit_code=False)
    assert (target.statuses()[101], target.statuses()[102]) == ("1", "2")
    (pytester.path / "fixed").touch()
    run_zephyr(key, "--lf", check_exit_code=False)

    assert (target.statuses()[101], target.statuses()[102]) == ("1", "1")


def test_values_of_secret_parameters_stay_out_of_notes_and_summary(
    pytester, run_zephyr, target
):
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zephyr(101)
        @pytest.mark.parametrize("password", ["hunter2secret"])
        def test_a(password):
            assert password == "right"

        @pytest.mark.zephyr(998)
        @pytest.mark.parametrize("api_key", ["hunter3secret"])
        def test_b(api_key): pass
        """
    )
    ran = run_zephyr(check_exit_code=False)

    assert "right" in target.execution(101).comment
    assert "hunter" not in target.execution(101).comment
    assert "hunter3" not in ran.text
