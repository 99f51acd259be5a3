from __future__ import annotations

from pytest_bdd import given
from pytest_bdd import parsers
from pytest_bdd import scenarios
from pytest_bdd import then
from pytest_bdd import when


scenarios("cart.feature")


@given("a cart", target_fixture="cart")
def cart():
    return []


@when(parsers.parse("I add {count:d} books"))
def add(cart, count):
    cart += ["book"] * count


@then(parsers.parse("it holds {count:d} books"))
def holds(cart, count):
    assert len(cart) == count
