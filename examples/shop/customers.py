"""Who of the visitors has an account with the shop: a name, perhaps a second device, perhaps an employer.

Drawn from a generator of their own, seeded with the customer's id, so that visits stay what they are
whether or not somebody looks at the customer.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from random import Random
from typing import Any

from examples.shop.crowd import DEVICES, SEED, Visitor, draw, make_uuid

MEMBERS = 0.3
SECOND_DEVICES = 0.5
BUSINESS = 0.2
AT_THE_TILL = 0.04
CHATS = 0.06
# Who presses "accept" when asked whether the visit may be measured; members did when they joined.
CONSENTS = 0.6

FIRST = ("Ada", "Bela", "Carla", "Deniz", "Edda", "Finn", "Greta", "Hanna", "Ivo", "Jonas", "Karla", "Lena", "Mirjam",
         "Nora", "Oskar", "Pia", "Quentin", "Rosa", "Sven", "Tilda", "Ulla", "Vera", "Wim", "Yusuf", "Zoë")  # fmt: skip
LAST = ("Ahlgren", "Bauer", "Conti", "Demir", "Eriksen", "Fell", "Garcia", "Hughes", "Ito", "Jansen", "Keller", "Lind",
        "Moreau", "Nowak", "Okafor", "Petrov", "Rossi", "Schmidt", "Tanaka", "Vogel", "Walker", "Zimmer")  # fmt: skip
# Companies that buy for their people; the domains are reserved for examples.
EMPLOYERS = {
    "hut-keepers": "hutkeepers.example",
    "north-fells-guides": "northfells.example",
    "alpine-school": "alpineschool.example",
    "ridge-rescue": "ridgerescue.example",
}
# The tablet in the shop's own store, on which many people look up their orders.
TILL_ID = "till-tablet-1"
QUESTIONS = (
    ("Do the fell boots run small?", "A little. Most of us take half a size more."),
    ("Can I return a jacket that I wore once?", "Yes, within 30 days, muddy or not."),
    ("Is the map in the app too?", "Not yet. The paper one survives the rain, though."),
)


@dataclass(frozen=True)
class Customer:
    user_id: str
    name: str
    email: str
    plan: str
    account_id: str
    is_member: bool
    consents: bool
    second: Visitor | None

    def identify(self) -> dict[str, Any]:
        """The fields of an event that says who somebody is."""
        fields: dict[str, Any] = {"traits": {"name": self.name, "email": self.email, "plan": self.plan}}
        return fields | ({"account_id": self.account_id} if self.account_id else {})


@lru_cache(maxsize=16_384)
def find_customer(visitor: Visitor) -> Customer:
    random = Random(f"{SEED}/customer/{visitor.customer_id}")
    first, last = random.choice(FIRST), random.choice(LAST)
    is_member = random.random() < MEMBERS
    account_id = random.choice(list(EMPLOYERS)) if random.random() < BUSINESS else ""
    domain = EMPLOYERS.get(account_id, "mail.example")
    second = None
    if random.random() < AT_THE_TILL:
        second = replace(visitor, anonymous_id=TILL_ID)
    elif random.random() < SECOND_DEVICES:
        second = replace(visitor, anonymous_id=make_uuid(random), device=draw(random, DEVICES))
    return Customer(
        user_id=visitor.customer_id,
        name=f"{first} {last}",
        email=f"{first}.{last}.{visitor.customer_id[-4:]}@{domain}".lower(),
        plan=random.choice(("friend", "friend", "ranger")),
        account_id=account_id,
        is_member=is_member,
        consents=is_member or random.random() < CONSENTS,
        second=second,
    )
