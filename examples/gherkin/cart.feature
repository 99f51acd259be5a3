@zephyr:701
Feature: Cart

  Scenario: it is empty
    Given a cart
    Then it holds 0 books

  @TC-702 @zephyr:alt:CART-2
  Scenario: it takes a book
    Given a cart
    When I add 1 books
    Then it holds 1 books

  @zephyr:703
  Scenario Outline: it takes many books
    Given a cart
    When I add <count> books
    Then it holds <count> books

    Examples: a few
      | count |
      | 2     |
      | 3     |

    @zephyr:704
    Examples: a lot
      | count |
      | 1000  |
