"""Does a text look like a mail address, a telephone number, a card number or an IBAN?

Pure. Numbers count only with a sound checksum (Luhn, ISO 7064), telephone numbers only with their
country and as one that exists: what is flagged is to be worth looking at.
"""

import re

import phonenumbers

LONGEST_TEXT = 2000
_EMAIL = re.compile(r"[A-Za-z0-9._%+\-]{1,64}@(?:[A-Za-z0-9\-]{1,63}\.)+[A-Za-z]{2,24}")
_CARD = re.compile(r"(?<![\w.\-])(?<!\d )[3-6]\d(?:[ \-]?\d){11,17}(?![\w\-])")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}\b")
_PHONE = re.compile(r"(?<![\w+])(?:\+|00)[1-9](?:[ ().\-/]{0,2}\d){6,14}(?!\w)")
_DIGITS = re.compile(r"\d")
_SHORTEST_NUMBER = 8


def find_personal(text: str) -> tuple[str, str] | None:
    """(kind, masked example) of the first that is found: email, card, iban or phone."""
    text = text[:LONGEST_TEXT]
    if "@" in text and (found := _EMAIL.search(text)):
        return "email", mask_email(found[0])
    if len(text) < _SHORTEST_NUMBER or not _DIGITS.search(text):
        return None
    if (found := _IBAN.search(text)) and is_iban(found[0]):
        return "iban", f"{found[0][:2]}…{found[0][-2:]}"
    if (found := _CARD.search(text)) and passes_luhn(found[0]):
        return "card", f"…{found[0][-4:]}"
    if (found := _PHONE.search(text)) and is_phone(found[0]):
        return "phone", f"{found[0][:3]}…{found[0][-2:]}"
    return None


def mask_email(address: str) -> str:
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}…@{domain[:1]}….{domain.rpartition('.')[2]}"


def passes_luhn(text: str) -> bool:
    digits = [int(each) for each in _DIGITS.findall(text)]
    if not 13 <= len(digits) <= 19 or len(set(digits)) == 1:
        return False
    doubled = (digit * 2 if number % 2 else digit for number, digit in enumerate(reversed(digits)))
    return sum(digit - 9 if digit > 9 else digit for digit in doubled) % 10 == 0


def is_iban(text: str) -> bool:
    plain = text.replace(" ", "")
    if not 15 <= len(plain) <= 34:
        return False
    return int("".join(str(int(each, 36)) for each in plain[4:] + plain[:4])) % 97 == 1


def is_phone(text: str) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(re.sub(r"^00", "+", text)))
    except phonenumbers.NumberParseException:
        return False
