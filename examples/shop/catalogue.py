"""What the shop sells. Prices are whole cents, so that sums are exact."""

from dataclasses import dataclass

CURRENCY = "EUR"


@dataclass(frozen=True)
class Category:
    slug: str
    name: str
    lead: str


@dataclass(frozen=True)
class Product:
    slug: str
    name: str
    category: Category
    cents: int
    blurb: str
    story: str
    sizes: tuple[str, ...]
    main_colour: str
    second_colour: str

    @property
    def price(self) -> float:
        return self.cents / 100


BOOTS = Category("boots", "Boots", "Made on three widths of last, resoled for as long as the uppers hold.")
PACKS = Category("packs", "Packs", "From a loaf of bread to a fortnight's food, on a back that stays dry.")
LAYERS = Category("layers", "Layers", "Wool and waxed cotton for weather that cannot make up its mind.")
MAPS = Category("maps", "Maps", "Printed on stone paper: they survive rain, pockets and argument.")
CATEGORIES = (BOOTS, PACKS, LAYERS, MAPS)

SHOE_SIZES = ("37", "38", "39", "40", "41", "42", "43", "44", "45")
COAT_SIZES = ("S", "M", "L", "XL")
ONE_SIZE = ("one size",)

PRODUCTS = (
    Product(
        "fell-boot", "Fell boot", BOOTS, 18900,
        "Nubuck, ankle high, for paths that stop being paths.",
        "A single piece of nubuck, a stitched welt and a sole with deep, wide lugs that let mud go. Broken in after two walks rather than ten.",
        SHOE_SIZES, "#8a5a3b", "#e0b184",
    ),
    Product(
        "heath-shoe", "Heath shoe", BOOTS, 12900,
        "Low, light and dry by breakfast.",
        "Recycled mesh over a firm midsole. It takes on water, as everything does, and gives it back within the hour.",
        SHOE_SIZES, "#4f6f6a", "#c7d8cd",
    ),
    Product(
        "winter-boot", "Winter boot", BOOTS, 23900,
        "Felt lined, takes a strap-on crampon.",
        "Eight millimetres of wool felt, a stiff shank and a rand all round. Warm at fifteen below while you keep moving.",
        SHOE_SIZES, "#4a4038", "#d9c2a4",
    ),
    Product(
        "day-pack-18", "Day pack 18", PACKS, 7900,
        "Eighteen litres, one zip, no dangling straps.",
        "Sized for a jacket, a flask and lunch for two. The back panel is a single bent sheet, so it stands up by itself on wet grass.",
        ONE_SIZE, "#c8643c", "#f0cba8",
    ),
    Product(
        "hut-pack-38", "Hut pack 38", PACKS, 14900,
        "Thirty-eight litres for a week from hut to hut.",
        "A roll top, two side pockets that hold a bottle while you walk, and a hip belt that carries the weight instead of decorating it.",
        ONE_SIZE, "#2f5d46", "#a9c6a3",
    ),
    Product(
        "long-pack-60", "Long pack 60", PACKS, 21900,
        "Sixty litres and a frame you can trust.",
        "An aluminium frame, a lid that becomes a bag for the last day, and buckles that can be replaced with cold hands.",
        ONE_SIZE, "#34506b", "#b5c9d8",
    ),
    Product(
        "merino-shirt", "Merino shirt", LAYERS, 6900,
        "190 g merino, seams where straps are not.",
        "Worn for four days before anyone notices. Flat seams, a long back, and a hem that stays under a hip belt.",
        COAT_SIZES, "#7b8f5a", "#dfe3c4",
    ),
    Product(
        "moor-jacket", "Moor jacket", LAYERS, 25900,
        "Waxed cotton, quiet in the wind.",
        "It does not rustle, so you hear the curlews. Rewax it once a year and it will outlast the hook it hangs on.",
        COAT_SIZES, "#5a5f3a", "#c9c78f",
    ),
    Product(
        "down-vest", "Down vest", LAYERS, 11900,
        "Packs into its own pocket, warms the middle of you.",
        "Responsibly sourced down in a recycled shell. The pocket it packs into doubles as a pillow, which you will pretend not to need.",
        COAT_SIZES, "#b4493b", "#f1c3b2",
    ),
    Product(
        "north-fells-map", "North fells 1:25,000", MAPS, 1490,
        "Every wall, sheepfold and ford.",
        "Surveyed on foot. Contours every ten metres, crags drawn by hand, and the three places with reliable signal marked in red.",
        ONE_SIZE, "#6d8f7a", "#efe7d2",
    ),
    Product(
        "coast-path-map", "Coast path, four sheets", MAPS, 3990,
        "Two hundred kilometres with tide tables.",
        "Four sheets in a slip case. Where the path floods, the hours are printed beside it.",
        ONE_SIZE, "#3f7391", "#e6efe9",
    ),
    Product(
        "night-sky-map", "Night sky from 55° north", MAPS, 1990,
        "For the walk back from the pub.",
        "A turning disc for every night of the year, readable by red light.",
        ONE_SIZE, "#2b2f4a", "#d7d4ee",
    ),
)  # fmt: skip

PRODUCT_OF = {product.slug: product for product in PRODUCTS}
CATEGORY_OF = {category.slug: category for category in CATEGORIES}

CHEAP_BELOW_CENTS = 10_000


def find_products(category: Category, price: str = "") -> list[Product]:
    """The category's products; `price` is "under-100", "from-100" or "" for all."""
    found = [product for product in PRODUCTS if product.category == category]
    if price == "under-100":
        return [product for product in found if product.cents < CHEAP_BELOW_CENTS]
    if price == "from-100":
        return [product for product in found if product.cents >= CHEAP_BELOW_CENTS]
    return found


def format_price(cents: int) -> str:
    """`€ 1,234.50`, without the cents where there are none."""
    text = f"{cents / 100:,.2f}".removesuffix(".00")
    return f"€ {text}"
