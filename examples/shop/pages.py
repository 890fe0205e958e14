"""Path and title of every page: the shop serves them, and the made-up history names the same."""

from dataclasses import dataclass

from examples.shop.catalogue import Category, Product

SHOP = "Tussock & Tarn"


@dataclass(frozen=True)
class ShopPage:
    path: str
    title: str


HOME = ShopPage("/", f"{SHOP} – things for long walks")
CART = ShopPage("/cart", f"Your cart – {SHOP}")
CHECKOUT = ShopPage("/checkout", f"Checkout – {SHOP}")
NEWSLETTER = ShopPage("/newsletter/welcome", f"Welcome to the letter – {SHOP}")
MISSING = ShopPage("/", f"Off the map – {SHOP}")
GUIDE_PATH = "/static/boot-fitting.pdf"


def category_page(category: Category) -> ShopPage:
    return ShopPage(f"/category/{category.slug}", f"{category.name} – {SHOP}")


def product_page(product: Product) -> ShopPage:
    return ShopPage(f"/product/{product.slug}", f"{product.name} – {SHOP}")


def thanks_page(order_id: str) -> ShopPage:
    return ShopPage(f"/thank-you/{order_id}", f"Thank you – {SHOP}")
