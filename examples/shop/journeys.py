"""What one visitor does in one visit, as the events that the snippet and the back end would send.

A journey is a walk: land somewhere, look around, perhaps put something into the cart, perhaps pay.
Event names and properties are those of the live shop (`cart.py`, `templates/`).
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

from examples.shop.cart import Line, add_line, describe_added, describe_checkout, describe_purchase
from examples.shop.catalogue import CATEGORIES, CATEGORY_OF, PRODUCTS, Category, Product, find_products
from examples.shop.crowd import SEED, Origin, Visitor, make_uuid
from examples.shop.customers import CHATS, QUESTIONS, Customer, find_customer
from examples.shop.pages import (
    CART,
    CHECKOUT,
    GUIDE_PATH,
    HOME,
    NEWSLETTER,
    ShopPage,
    category_page,
    product_page,
    thanks_page,
)

Event = dict[str, Any]

BOUNCES = 0.42
ORDERS_AGAIN = 0.15
CHECKOUT_FIELDS = ["first_name", "last_name", "email", "street", "post_code", "town"]


def format_ms(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class Journey:
    """One visit in the making: where the visitor is, and what was recorded so far."""

    shop: str
    visitor: Visitor
    random: Random
    now_ms: int
    session_id: str
    events: list[tuple[int, Event]] = field(default_factory=list)
    payments: list[tuple[int, Event]] = field(default_factory=list)
    page: ShopPage = HOME
    query: str = ""
    referrer: str = ""
    user_id: str = ""
    customer: Customer = field(init=False)

    def __post_init__(self) -> None:
        # Of whoever came, also when another device is taken up.
        self.customer = find_customer(self.visitor)

    def wait(self, shortest_s: float, longest_s: float) -> None:
        self.now_ms += int(self.random.triangular(shortest_s, longest_s, shortest_s * 1.5) * 1000)

    @property
    def url(self) -> str:
        return self.shop + self.page.path + (f"?{self.query}" if self.query else "")

    def log_in(self) -> None:
        """From here on the visitor is known by name."""
        self.user_id = self.customer.user_id
        self.record("identify", {"customer": True}, self.customer.identify())

    def record(
        self, event_type: str, properties: dict[str, Any] | None = None, who: dict[str, Any] | None = None
    ) -> None:
        visitor = self.visitor
        event = {
            "event_type": event_type,
            "occurred_at": format_ms(self.now_ms),
            "channel": "web",
            "anonymous_id": visitor.anonymous_id,
            "session_id": self.session_id,
            "url": self.url,
            "referrer": self.referrer,
            "title": self.page.title,
            "properties": properties or {},
            "context": {
                "ip": visitor.ip,
                "user_agent": visitor.device.user_agent,
                "screen": visitor.device.screen,
                "language": visitor.place.language,
                "time_zone": visitor.place.time_zone,
            },
        }
        if visitor.agrees:
            event["consent"] = {"tracking": "granted"}
        if self.user_id:
            event["user_id"] = self.user_id
        if self.customer.consents:
            event["consent"] = {"analytics": "granted"}
        self.events.append((self.now_ms, event | (who or {})))

    def land(self, page: ShopPage, origin: Origin) -> None:
        self.page, self.referrer = page, origin.referrer
        self.query = origin.query.format(click=make_uuid(self.random).replace("-", ""))
        self.record("page_view")

    def open(self, page: ShopPage, query: str = "") -> None:
        """Another page without a click that is recorded: a form's answer, a filter."""
        self.referrer, self.page, self.query = self.url, page, query
        self.record("page_view")

    def follow(self, page: ShopPage, text: str) -> None:
        self.wait(3, 55)
        self.record("click", {"tag": "a", "text": text[:80], "href": self.shop + page.path})
        self.wait(0.3, 1.5)
        self.open(page)

    def send_form(self, form: str, name: str, action: str, fields: list[str], button: str) -> None:
        self.record("click", {"tag": "button", "text": button})
        self.record("form_submit", {"id": form, "name": name, "action": action, "fields": fields})
        self.wait(0.3, 1.2)


def walk(journey: Journey, origin: Origin, visit_number: int) -> None:
    """The whole visit; its events are in `journey.events` and `journey.payments` afterwards."""
    random, visitor = journey.random, journey.visitor
    customer = journey.customer
    if customer.is_member and customer.second and visit_number % 2:
        journey.visitor = customer.second
    category, product = _land(journey, origin)
    if customer.is_member and visit_number:
        journey.log_in()
    if random.random() < BOUNCES - 0.25 * visitor.keenness:
        return
    if product is None:
        product = _browse(journey, category)
    if product is None:
        return
    _ask(journey)
    if product.category.slug == "boots" and random.random() < 0.12:
        journey.wait(8, 60)
        journey.record(
            "click", {"tag": "a", "text": "How to fit a boot (PDF, 1 page)", "href": journey.shop + GUIDE_PATH}
        )
    if random.random() < 0.05:
        journey.wait(10, 40)
        journey.send_form("newsletter", "newsletter", "/newsletter", ["email"], "Sign up")
        journey.open(NEWSLETTER)
        return
    wants = 0.07 + 0.4 * visitor.keenness + 0.06 * min(visit_number, 3) - (0.04 if visitor.device.mobile else 0)
    if random.random() < wants:
        _buy(journey, product)


def _land(journey: Journey, origin: Origin) -> tuple[Category, Product | None]:
    random = journey.random
    landing = origin.landing if origin.landing != "any" else random.choice(("home", "product", *CATEGORY_OF))
    category = CATEGORY_OF.get(landing) or random.choice(CATEGORIES)
    if landing == "product":
        product = random.choice(PRODUCTS)
        journey.land(product_page(product), origin)
        return product.category, product
    journey.land(HOME if landing == "home" else category_page(category), origin)
    return category, None


def _browse(journey: Journey, category: Category) -> Product | None:
    """Through a category to one product, or to two; None when nothing pleased."""
    random = journey.random
    if journey.page == HOME:
        journey.follow(category_page(category), category.name)
    if random.random() < 0.3:
        journey.wait(4, 20)
        price = random.choice(("under-100", "from-100"))
        label = "Under € 100" if price == "under-100" else "€ 100 and up"
        href = f"{journey.shop}/category/{category.slug}?price={price}"
        journey.record("click", {"tag": "a", "text": label, "href": href})
        journey.open(category_page(category), f"price={price}")
    if random.random() < 0.2:
        return None
    products = find_products(category)
    random.shuffle(products)
    for product in products[: 1 + (random.random() < 0.45)]:
        _look_at(journey, product)
    return product


def _look_at(journey: Journey, product: Product) -> None:
    text = f"{product.name} {product.blurb}"
    journey.follow(product_page(product), text)


def _ask(journey: Journey) -> None:
    """A question in the chat, now and then; a draw of its own leaves the rest of the visit as it is."""
    random = Random(f"{SEED}/chat/{journey.session_id}")
    if random.random() > CHATS:
        return
    question, answer = random.choice(QUESTIONS)
    instance = {"instance_id": f"chat-{journey.session_id[:8]}"}
    journey.now_ms += 4000
    journey.record("widget_opened", {}, instance)
    journey.now_ms += 11_000
    journey.record("message_sent", {"text": question}, instance)
    journey.now_ms += 9000
    journey.record("message_received", {"text": answer}, instance)


def _buy(journey: Journey, product: Product) -> None:
    """Into the cart, and as far towards the thank-you page as patience lasts."""
    random, visitor = journey.random, journey.visitor
    cart: tuple[Line, ...] = ()
    wanted = [product]
    if random.random() < 0.25:
        wanted.append(random.choice([other for other in PRODUCTS if other != product]))
    for number, item in enumerate(wanted):
        if number:
            _look_at(journey, item)
        line = Line(item, random.choice(item.sizes), 1)
        journey.wait(6, 90)
        journey.record("click", {"tag": "button", "text": "Add to cart"})
        fields = ["size"] if len(item.sizes) > 1 else []
        journey.record("form_submit", {"id": "add", "name": "add-to-cart", "action": "/cart", "fields": fields})
        journey.record("add_to_cart", describe_added(line))
        cart = add_line(cart, line)
        journey.wait(0.3, 1.2)
        journey.open(CART)
    if random.random() > 0.58:
        return
    journey.follow(CHECKOUT, "To the checkout")
    journey.record("checkout_started", describe_checkout(cart))
    if random.random() > (0.55 if visitor.device.mobile else 0.7):
        return
    journey.wait(40, 180)
    journey.send_form("checkout", "checkout", "/checkout", CHECKOUT_FIELDS, "Buy")
    order_id = f"T{random.randrange(10**8):08}"
    journey.user_id = visitor.customer_id
    journey.open(thanks_page(order_id))
    journey.log_in()
    purchase = describe_purchase(order_id, cart)
    journey.record("purchase", purchase)
    paid_ms = journey.now_ms + int(random.uniform(2, 25) * 1000)
    payment = {
        "event_type": "order_paid",
        "occurred_at": format_ms(paid_ms),
        "user_id": visitor.customer_id,
        "properties": {**purchase, "payment": random.choice(("card", "card", "paypal", "invoice"))},
    }
    journey.payments.append((paid_ms, payment))
    _order_again(journey, cart)


def _order_again(journey: Journey, cart: tuple[Line, ...]) -> None:
    """Some order the same again by telephone, days later: only the back end knows."""
    random = Random(f"{SEED}/again/{journey.session_id}")
    if random.random() > ORDERS_AGAIN:
        return
    ms = journey.now_ms + random.randrange(1, 6) * 86_400_000
    order = {
        "event_type": "purchase",
        "occurred_at": format_ms(ms),
        "user_id": journey.user_id,
        "properties": {**describe_purchase(f"P{random.randrange(10**8):08}", cart), "by": "telephone"},
    }
    journey.payments.append((ms, order))
