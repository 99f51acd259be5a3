"""Secrets are shown only by `reveal`, and replaced in texts and JSON."""

from __future__ import annotations

import copy
import json
import logging
import pickle

import pytest

from pytest_zephyr.config.settings import Credential
from pytest_zephyr.secret import HIDDEN
from pytest_zephyr.secret import mask_userinfo
from pytest_zephyr.secret import Scrubber
from pytest_zephyr.secret import Secret


VALUE = "s3cr3t-t0ken"


@pytest.mark.parametrize(
    "show",
    [
        pytest.param(repr, id="repr"),
        pytest.param(str, id="str"),
        pytest.param(lambda secret: f"{secret}", id="format"),
        pytest.param(lambda secret: f"{secret!r}", id="format repr"),
        pytest.param(lambda secret: "%s" % secret, id="percent"),  # noqa: UP031
        pytest.param(lambda secret: repr([secret]), id="in a list"),
        pytest.param(
            lambda secret: repr(Credential("token", "ZEPHYR_TOKEN", "ada", secret)),
            id="in a credential",
        ),
        pytest.param(
            lambda secret: str(Credential("basic", "ZEPHYR_USERNAME", "ada", secret)),
            id="credential as text",
        ),
        pytest.param(
            lambda secret: json.dumps(secret, default=str), id="JSON with a default"
        ),
        pytest.param(
            lambda secret: logging.LogRecord(
                "n", 10, "f", 1, "login %s", (secret,), None
            ).getMessage(),
            id="log",
        ),
        pytest.param(lambda secret: repr(pickle.dumps(secret)), id="pickle"),
        pytest.param(lambda secret: copy.deepcopy(secret).reveal(), id="copy"),
    ],
)
def test_every_way_to_show_a_secret_hides_its_value(show):
    """This holds for text, format, logging, JSON, pickle and copies."""
    assert VALUE not in show(Secret(VALUE))


def test_reveal_returns_the_value():
    """The client needs it to log in."""
    assert Secret(VALUE).reveal() == VALUE


def test_the_text_of_a_secret_is_hidden():
    """Users see that there is a value, but not which."""
    assert str(Secret(VALUE)) == HIDDEN


def test_json_rejects_a_secret():
    """A secret cannot get into a journal by accident."""
    with pytest.raises(TypeError, match="not JSON serializable"):
        json.dumps({"token": Secret(VALUE)})


def test_a_secret_has_no_dict():
    """There is no `__dict__` for a debugger or `vars` to show."""
    assert not hasattr(Secret(VALUE), "__dict__")


def test_secrets_are_equal_by_value():
    """So a credential that is read again is equal to the first."""
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("https://zephyr.example/x", "https://zephyr.example/x"),
        ("https://ada:pw@zephyr.example", f"https://{HIDDEN}@zephyr.example"),
        ("https://ada@zephyr.example:1", f"https://{HIDDEN}@zephyr.example:1"),
        ("https://ada:p@w@zephyr.example", f"https://{HIDDEN}@zephyr.example"),
        ("https://ada:p/w@zephyr.example", f"https://{HIDDEN}@zephyr.example"),
        ("//ada:pw@zephyr.example", f"//{HIDDEN}@zephyr.example"),
        ("ada:pw@zephyr.example", f"{HIDDEN}@zephyr.example"),
        ("https:ada:pw@zephyr.example", f"{HIDDEN}@zephyr.example"),
        ("https://ada:p\nw@zephyr.example", f"https://{HIDDEN}@zephyr.example"),
    ],
)
def test_an_address_is_shown_without_its_credential(url, masked):
    """Everything in front of the last @ may be a credential."""
    assert mask_userinfo(url) == masked


@pytest.mark.parametrize(
    ("secrets", "text", "scrubbed"),
    [
        pytest.param(["s3cr3t"], "say s3cr3t!", f"say {HIDDEN}!", id="one"),
        pytest.param(["abc", "abcdef"], "abcdef", HIDDEN, id="the longest first"),
        pytest.param(["ab", "cd"], "ab cd", f"{HIDDEN} {HIDDEN}", id="two"),
        pytest.param([""], "as it was", "as it was", id="an empty one"),
        pytest.param([], "as it was", "as it was", id="none"),
        pytest.param(["a.c"], "abc", "abc", id="no pattern"),
    ],
)
def test_known_secrets_are_hidden_in_a_text(secrets, text, scrubbed):
    """Whole secrets are replaced, wherever they are in the text."""
    assert Scrubber(secrets)(text) == scrubbed


def test_a_secret_that_comes_later_is_hidden_too():
    """A session cookie is known only after the login."""
    scrub = Scrubber(["first"])
    scrub.add("second")

    assert scrub("first second") == f"{HIDDEN} {HIDDEN}"


def test_clean_replaces_secrets_at_any_depth_except_in_keys():
    """Other values stay as they are."""
    scrub = Scrubber(["s3cr3t"])

    assert scrub.clean({"s3cr3t": ["x s3cr3t", {"a": "s3cr3t"}, 7, None]}) == {
        "s3cr3t": [f"x {HIDDEN}", {"a": HIDDEN}, 7, None]
    }


@pytest.mark.parametrize(
    "secret", ["s3cr3t", 'q"uo\\te', "größe-ß", "\u2028\U0001f511"]
)
def test_has_secret_finds_secrets_in_json(secret):
    """JSON may escape characters of the secret."""
    scrub = Scrubber([secret])

    assert scrub.has_secret(json.dumps([f"a{secret}b"]))
    assert not scrub.has_secret(json.dumps(["another"]))


def test_the_repr_of_a_scrubber_hides_secrets():
    """The `repr` of an object that has a scrubber may be shown."""
    assert VALUE not in repr(Scrubber([VALUE]))
