"""The shop's web server: pages, cart, orders, and the two ways in which it tells Trackway things.

The browser's events come from the snippet in `templates/layout.html`. What only the back end
knows, that an order was paid, it sends itself with the Python client and a secret key.
"""

import asyncio
import hashlib
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from examples.shop.cart import (
    COOKIE,
    Cart,
    Line,
    add_line,
    describe_added,
    describe_checkout,
    describe_purchase,
    make_line,
    read_cart,
    remove_line,
    total_cents,
    write_cart,
)
from examples.shop.catalogue import CATEGORIES, CATEGORY_OF, PRODUCT_OF, PRODUCTS, find_products, format_price
from examples.shop.pages import (
    CART,
    CHECKOUT,
    GUIDE_PATH,
    HOME,
    MISSING,
    NEWSLETTER,
    ShopPage,
    category_page,
    product_page,
    thanks_page,
)
from jinja2 import Environment, FileSystemLoader, select_autoescape
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from trackway.client import Client

HERE = Path(__file__).parent
ORDERS_KEPT = 1000


@dataclass(frozen=True)
class Tracking:
    """Where the shop sends its events. `public_key` is the browser's, `secret_key` the back end's.

    In the folder `spool` the back end's events outlive the shop's process, and the server's.
    """

    server: str
    public_key: str
    secret_key: str
    spool: Path | None = None


@dataclass(frozen=True)
class Order:
    order_id: str
    customer_id: str
    first_name: str
    cart: Cart


class Shop:
    """The shop's state: the orders of this run, in memory, the latest thousand."""

    def __init__(self, tracking: Tracking) -> None:
        self._client = Client(tracking.server, tracking.secret_key, spool=tracking.spool)
        self._orders: OrderedDict[str, Order] = OrderedDict()
        self._templates = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=select_autoescape(),
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["price"] = format_price
        self._templates.globals.update(tracking=tracking, categories=CATEGORIES, guide_path=GUIDE_PATH)

    def routes(self) -> list[Route | Mount]:
        return [
            Route("/", self.show_home),
            Route("/category/{slug}", self.show_category),
            Route("/product/{slug}", self.show_product),
            Route("/cart", self.show_cart),
            Route("/cart", self.change_cart, methods=["POST"]),
            Route("/checkout", self.show_checkout),
            Route("/checkout", self.place_order, methods=["POST"]),
            Route("/thank-you/{order_id}", self.show_thanks),
            Route("/newsletter", self.join_newsletter, methods=["POST"]),
            Route("/newsletter/welcome", self.show_newsletter),
            Mount("/static", StaticFiles(directory=HERE / "static")),
        ]

    @asynccontextmanager
    async def run(self, _: Starlette) -> AsyncIterator[None]:
        """While the shop is open; what the back end still has to tell is sent when it closes."""
        yield
        await asyncio.to_thread(self._client.close)

    def _render(self, request: Request, template: str, page: ShopPage, status: int = 200, **values: Any) -> Response:
        cart = read_cart(request.cookies.get(COOKIE, ""))
        html = self._templates.get_template(template).render(
            page=page, cart=cart, cart_count=sum(line.quantity for line in cart), **values
        )
        return HTMLResponse(html, status)

    def show_missing(self, request: Request, _: Exception) -> Response:
        return self._render(request, "missing.html", MISSING, 404)

    def show_home(self, request: Request) -> Response:
        featured = [PRODUCT_OF[slug] for slug in ("hut-pack-38", "fell-boot", "moor-jacket", "north-fells-map")]
        return self._render(request, "home.html", HOME, featured=featured)

    def show_category(self, request: Request) -> Response:
        category = CATEGORY_OF.get(request.path_params["slug"])
        if category is None:
            return self._render(request, "missing.html", MISSING, 404)
        price = request.query_params.get("price", "")
        shown = {product.slug for product in find_products(category, price)}
        return self._render(
            request, "category.html", category_page(category), category=category, products=find_products(category), shown=shown, price=price
        )  # fmt: skip

    def show_product(self, request: Request) -> Response:
        product = PRODUCT_OF.get(request.path_params["slug"])
        if product is None:
            return self._render(request, "missing.html", MISSING, 404)
        others = [other for other in PRODUCTS if other.category == product.category and other != product]
        added = describe_added(Line(product, product.sizes[0], 1))
        return self._render(request, "product.html", product_page(product), product=product, others=others, added=added)

    def show_cart(self, request: Request) -> Response:
        cart = read_cart(request.cookies.get(COOKIE, ""))
        return self._render(request, "cart.html", CART, total=total_cents(cart))

    async def change_cart(self, request: Request) -> Response:
        form = await _read_form(request)
        cart = read_cart(request.cookies.get(COOKIE, ""))
        if form.get("remove", "").isdecimal():
            cart = remove_line(cart, int(form["remove"]))
        else:
            line = make_line(form.get("product", ""), form.get("size", ""), 1)
            if line is None:
                return self._render(request, "missing.html", MISSING, 404)
            cart = add_line(cart, line)
        answer = RedirectResponse("/cart", 303)
        answer.set_cookie(COOKIE, write_cart(cart), httponly=True, samesite="lax")
        return answer

    def show_checkout(self, request: Request) -> Response:
        cart = read_cart(request.cookies.get(COOKIE, ""))
        if not cart:
            return RedirectResponse("/cart", 303)
        return self._render(
            request, "checkout.html", CHECKOUT, total=total_cents(cart), started=describe_checkout(cart)
        )

    async def place_order(self, request: Request) -> Response:
        form = await _read_form(request)
        cart = read_cart(request.cookies.get(COOKIE, ""))
        email = form.get("email", "").strip().lower()
        if not cart or "@" not in email:
            return RedirectResponse("/checkout" if cart else "/cart", 303)
        customer_id = "c-" + hashlib.sha256(email.encode()).hexdigest()[:12]
        order = Order(f"T{secrets.randbelow(10**8):08}", customer_id, form.get("first_name", "")[:60], cart)
        self._orders[order.order_id] = order
        if len(self._orders) > ORDERS_KEPT:
            self._orders.popitem(last=False)
        report_payment(self._client, order)
        answer = RedirectResponse(thanks_page(order.order_id).path, 303)
        answer.delete_cookie(COOKIE)
        return answer

    def show_thanks(self, request: Request) -> Response:
        order = self._orders.get(request.path_params["order_id"])
        if order is None:
            return self._render(request, "missing.html", MISSING, 404)
        return self._render(
            request, "thanks.html", thanks_page(order.order_id), order=order, total=total_cents(order.cart),
            purchase=describe_purchase(order.order_id, order.cart),
        )  # fmt: skip

    async def join_newsletter(self, request: Request) -> Response:
        """Sends nobody a letter: it is a sample. The form_submit is what it is here for."""
        await _read_form(request)
        return RedirectResponse(NEWSLETTER.path, 303)

    def show_newsletter(self, request: Request) -> Response:
        return self._render(request, "newsletter.html", NEWSLETTER)


async def _read_form(request: Request) -> Mapping[str, str]:
    """The text fields of a posted form; files are ignored."""
    async with request.form(max_files=0, max_fields=50) as form:
        return {name: value for name, value in form.items() if isinstance(value, str)}


def report_payment(client: Client, order: Order) -> None:
    """Tell Trackway that the order is paid. It returns at once, also when nobody answers there: a shop must sell."""
    client.track(
        "order_paid",
        dedupe_key=f"order_paid:{order.order_id}",
        user_id=order.customer_id,
        properties={**describe_purchase(order.order_id, order.cart), "payment": "card"},
    )


def make_shop(tracking: Tracking) -> Starlette:
    shop = Shop(tracking)
    return Starlette(routes=shop.routes(), exception_handlers={404: shop.show_missing}, lifespan=shop.run)
