"""The sample shop's pages, in headless Chromium and as bare requests."""

import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest
import uvicorn
from examples.shop.cart import Line, add_line, describe_purchase, read_cart, remove_line, total_cents, write_cart
from examples.shop.catalogue import CATEGORIES, PRODUCT_OF, PRODUCTS, format_price
from examples.shop.site import Tracking, make_shop
from tests.sdk.conftest import wait_until_heard

BOOT, MAP = PRODUCT_OF["fell-boot"], PRODUCT_OF["north-fells-map"]
BUYER = {
    "first_name": "Ada",
    "last_name": "L",
    "email": "ada@example.org",
    "street": "1 Row",
    "post_code": "1",
    "town": "Y",
}


@pytest.fixture
def shop(receiver):
    """The shop's address; its browser events and its back end's go to the receiver."""
    application = make_shop(Tracking(receiver.url, "public-key", "secret-key"))
    server = uvicorn.Server(uvicorn.Config(application, "127.0.0.1", 0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


def fetch(address, form=None, cookie=""):
    data = urllib.parse.urlencode(form).encode() if form else None
    request = urllib.request.Request(address, data, {"Cookie": cookie})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


PATHS = [
    "/",
    "/cart",
    "/newsletter/welcome",
    *(f"/category/{category.slug}" for category in CATEGORIES),
    *(f"/product/{product.slug}" for product in PRODUCTS),
]


def test_every_page_answers_and_carries_the_snippet(shop, receiver):
    for path in PATHS:
        status, html = fetch(shop + path)
        assert (path, status) == (path, 200)
        assert f'<script async src="{receiver.url}/js/trackway.js" data-key="public-key"></script>' in html


def test_the_guide_is_a_pdf(shop):
    with urllib.request.urlopen(shop + "/static/boot-fitting.pdf", timeout=10) as answer:
        assert answer.headers["Content-Type"] == "application/pdf"
        assert answer.read().startswith(b"%PDF-1.4")


@pytest.mark.parametrize("path", ["/nowhere", "/category/tents", "/product/tent", "/thank-you/T00000000"])
def test_a_page_that_does_not_exist_says_so_kindly(shop, path):
    status, html = fetch(shop + path)
    assert status == 404
    assert "Off the map" in html


@pytest.mark.parametrize(
    "form",
    [{"product": "tent", "size": "42"}, {"product": "fell-boot", "size": "99"}, {"product": "fell-boot"}, {"x": "y"}],
)
def test_what_the_shop_does_not_sell_does_not_get_into_the_cart(shop, form):
    assert fetch(shop + "/cart", form)[0] == 404


@pytest.mark.parametrize(
    "cookie", ["rubbish", "fell-boot/42/0", "fell-boot/42/-1", "a/b/c,,,/", "fell-boot/42/²", "%ff%00"]
)
def test_a_forged_cart_is_an_empty_cart(shop, cookie):
    assert read_cart(cookie) == ()
    status, html = fetch(shop + "/cart", cookie=f"shop_cart={cookie}")
    assert status == 200
    assert "Empty as a moor" in html


def test_the_checkout_of_an_empty_cart_leads_back_to_the_cart(shop):
    assert "Empty as a moor" in fetch(shop + "/checkout")[1]
    assert "Empty as a moor" in fetch(shop + "/checkout", BUYER)[1]


def test_a_cart_survives_its_cookie():
    cart = (Line(BOOT, "42", 2), Line(MAP, "one size", 1))
    assert read_cart(write_cart(cart)) == cart
    assert remove_line(cart, 0) == (cart[1],)
    assert remove_line(cart, 7) == cart


def test_the_same_thing_twice_is_one_line_of_two():
    cart = add_line(add_line((), Line(BOOT, "42", 1)), Line(BOOT, "42", 1))
    assert cart == (Line(BOOT, "42", 2),)
    assert total_cents(cart) == 37800
    assert len(add_line(cart, Line(BOOT, "43", 1))) == 2


def test_prices_read_well():
    assert [format_price(cents) for cents in (1490, 18900, 123450)] == ["€ 14.90", "€ 189", "€ 1,234.50"]


def test_a_purchase_names_its_order_revenue_and_items():
    assert describe_purchase("T1", (Line(BOOT, "42", 1), Line(MAP, "one size", 2))) == {
        "order_id": "T1",
        "revenue": 218.8,
        "currency": "EUR",
        "items": [
            {"product": "fell-boot", "category": "boots", "price": 189.0, "quantity": 1},
            {"product": "north-fells-map", "category": "maps", "price": 14.9, "quantity": 2},
        ],
    }


def once(events):
    """What a server keeps of them: an event on its way while its page goes comes again with the next one."""
    return list({event["dedupe_key"]: event for event in events}.values())


def buy_a_boot(page, shop):
    page.goto(shop + "/product/fell-boot")
    page.check("[value='42']", force=True)
    page.click("text=Add to cart")
    page.click("text=To the checkout")
    for name, value in BUYER.items():
        page.fill(f"#checkout [name={name}]", value)
    page.click("#checkout button")
    page.wait_for_url("**/thank-you/*")


@pytest.mark.browser
def test_a_purchase_leaves_the_whole_funnel_and_a_payment_of_the_back_end(shop, receiver, page):
    buy_a_boot(page, shop)
    (purchase,) = once(receiver.wait_for("purchase", page=page))
    (paid,) = once(receiver.wait_for("order_paid", page=page))

    order_id = page.url.rpartition("/")[2]
    assert purchase["properties"]["order_id"] == paid["properties"]["order_id"] == order_id
    assert purchase["properties"]["revenue"] == 189
    assert purchase["user_id"] == paid["user_id"]
    (added,) = once(receiver.events("add_to_cart"))
    assert added["properties"]["size"] == "42"
    (started,) = once(receiver.events("checkout_started"))
    assert started["properties"] == {"value": 189, "currency": "EUR", "items": 1}
    assert [sent["properties"]["name"] for sent in once(receiver.events("form_submit"))] == ["add-to-cart", "checkout"]
    assert "ada@example.org" not in json.dumps([post.body for post in receiver.posts])
    assert len({event["session_id"] for event in receiver.events() if event["event_type"] != "order_paid"}) == 1


@pytest.mark.browser
def test_a_filter_changes_the_page_without_loading_it_and_counts_as_a_page_view(shop, receiver, page):
    page.goto(shop + "/category/packs")
    receiver.wait_for("page_view", page=page)
    page.evaluate("window.still = true")
    page.click("[data-filter] >> text=Under")
    views = receiver.wait_for("page_view", 2, page=page)
    assert views[1]["url"] == shop + "/category/packs?price=under-100"
    assert page.evaluate("window.still")
    assert page.locator(".card:visible h3").all_inner_texts() == ["Day pack 18"]
    page.go_back()
    assert page.locator(".card:visible").count() == 3
    page.goto(shop + "/category/packs?price=under-100")  # the server filters alike
    assert page.locator(".card:visible h3").all_inner_texts() == ["Day pack 18"]


@pytest.mark.browser
def test_the_letter_and_the_guide_are_recorded(shop, receiver, page):
    page.goto(shop + "/product/fell-boot")
    receiver.wait_for("page_view", page=page)
    page.fill("#letter-email", "ada@example.org")
    page.click("#newsletter button")
    (sent,) = once(receiver.wait_for("form_submit", page=page))
    assert sent["properties"] == {
        "id": "newsletter",
        "name": "newsletter",
        "action": "/newsletter",
        "fields": ["email"],
    }
    page.goto(shop + "/product/fell-boot")
    page.evaluate("addEventListener('click', event => event.preventDefault())")
    page.click("article >> text=How to fit a boot")
    wait_until_heard(page)
    # The server makes a download of it.
    *_, guide = receiver.events("click")
    assert guide["properties"]["href"] == shop + "/static/boot-fitting.pdf"


@pytest.mark.browser
def test_the_help_tells_what_happens_in_it_and_not_what_is_asked(shop, receiver, page):
    page.goto(shop + "/")
    receiver.wait_for("page_view", page=page)
    page.click("text=Ask the shop")
    page.fill("#help-text", "my knee hurts")
    page.click("#help button")
    page.click("text=Show me the boots")
    (opened,) = once(receiver.wait_for("widget_opened", page=page))
    (message,) = once(receiver.wait_for("message_sent", page=page))
    (cta,) = once(receiver.wait_for("cta_clicked", page=page))
    assert [e["properties"]["sequence"] for e in (opened, message, cta)] == [1, 2, 3]
    assert len({e["instance_id"] for e in (opened, message, cta)}) == 1
    assert (cta["properties"]["name"], cta["properties"]["shelf"]) == ("help-boots", "boots")
    assert "knee" not in json.dumps([post.body for post in receiver.posts])


@pytest.mark.browser
def test_a_visitor_who_says_no_is_asked_once_and_not_recorded_again(shop, receiver, page):
    page.goto(shop + "/")
    receiver.wait_for("page_view", page=page)
    page.click("#choice >> text=No")
    (said,) = receiver.wait_for("consent_updated", page=page)
    assert said["consent"] == {"tracking": "denied"}
    page.goto(shop + "/category/packs")
    page.wait_for_function("trackway.version")
    page.wait_for_timeout(500)
    assert page.locator("#choice").is_hidden()
    assert not any("/category/packs" in event["url"] for event in receiver.events())


@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 1280])
def test_no_page_is_wider_than_the_screen(shop, page, width):
    page.set_viewport_size({"width": width, "height": 800})
    for path in ("/", "/category/packs", "/product/fell-boot", "/cart"):
        page.goto(shop + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    buy_a_boot(page, shop)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
