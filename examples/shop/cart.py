"""What a visitor wants to buy, and the events that say so.

The cart lives in one cookie, `fell-boot/42/1,day-pack-18/one size/2`. Whatever in it the shop
does not sell is left out, so a forged cookie buys nothing odd.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from examples.shop.catalogue import CURRENCY, PRODUCT_OF, Product

COOKIE = "shop_cart"
MOST_LINES = 20
MOST_OF_ONE = 9


@dataclass(frozen=True)
class Line:
    product: Product
    size: str
    quantity: int

    @property
    def cents(self) -> int:
        return self.product.cents * self.quantity


Cart = tuple[Line, ...]


def make_line(slug: str, size: str, quantity: int) -> Line | None:
    """None when the shop does not sell that."""
    product = PRODUCT_OF.get(slug)
    if product is None or size not in product.sizes or not 1 <= quantity <= MOST_OF_ONE:
        return None
    return Line(product, size, quantity)


def read_cart(cookie: str) -> Cart:
    lines = []
    for part in unquote(cookie).split(",")[:MOST_LINES]:
        slug, _, rest = part.partition("/")
        size, _, quantity = rest.partition("/")
        line = make_line(slug, size, int(quantity) if quantity.isascii() and quantity.isdigit() else 0)
        if line:
            lines.append(line)
    return tuple(lines)


def write_cart(cart: Cart) -> str:
    return quote(",".join(f"{line.product.slug}/{line.size}/{line.quantity}" for line in cart))


def add_line(cart: Cart, added: Line) -> Cart:
    """The cart with the line; the same product in the same size is one line."""
    same = next((line for line in cart if (line.product, line.size) == (added.product, added.size)), None)
    if same is None:
        return (*cart, added)[-MOST_LINES:]
    more = Line(same.product, same.size, min(MOST_OF_ONE, same.quantity + added.quantity))
    return tuple(more if line is same else line for line in cart)


def remove_line(cart: Cart, number: int) -> Cart:
    return tuple(line for index, line in enumerate(cart) if index != number)


def total_cents(cart: Sequence[Line]) -> int:
    return sum(line.cents for line in cart)


def describe_added(line: Line) -> dict[str, Any]:
    """Properties of the event `add_to_cart`."""
    product = line.product
    return {
        "product": product.slug,
        "name": product.name,
        "category": product.category.slug,
        "size": line.size,
        "price": product.price,
        "quantity": line.quantity,
        "currency": CURRENCY,
    }


def describe_checkout(cart: Sequence[Line]) -> dict[str, Any]:
    """Properties of the event `checkout_started`."""
    return {"value": total_cents(cart) / 100, "currency": CURRENCY, "items": sum(line.quantity for line in cart)}


def describe_purchase(order_id: str, cart: Sequence[Line]) -> dict[str, Any]:
    """Properties of the event `purchase`; Trackway counts an order_id once, however often it is sent."""
    items = [
        {"product": line.product.slug, "category": line.product.category.slug, "price": line.product.price, "quantity": line.quantity}
        for line in cart
    ]  # fmt: skip
    return {"order_id": order_id, "revenue": total_cents(cart) / 100, "currency": CURRENCY, "items": items}
