"""Where a visitor is, as a proxy in front of us says it in a request header.

Part of the vocabulary: the collector keeps these headers when a trusted proxy sent them, the
pipeline reads the place from them, and both decide by it what consent allows.
"""

from collections.abc import Mapping

# Cloudflare, Vercel, CloudFront, and the names that nginx and Traefik recipes use: country and region of each.
# The first one that says a country wins, and its region header belongs to it.
_PAIRS = {
    "cf-ipcountry": "cf-region-code",
    "x-vercel-ip-country": "x-vercel-ip-country-region",
    "cloudfront-viewer-country": "cloudfront-viewer-country-region",
    "x-country-code": "x-region-code",
    "x-appengine-country": "x-appengine-region",
}
COUNTRY_HEADERS = tuple(_PAIRS)
PLACE_HEADERS = frozenset((*_PAIRS, *_PAIRS.values()))

# Codes of the user-assigned range, and what proxies say for unknown (XX), Tor (T1) and unspecified (ZZ).
_NO_COUNTRY = frozenset(("XX", "T1", "ZZ", "AA", "QQ"))


def read_place(headers: Mapping[str, str]) -> tuple[str, str]:
    """Country (US) and region (US-CA); "" for what no header says."""
    for name, region in _PAIRS.items():
        said = headers.get(name)
        if not said:
            continue
        code = said.strip().upper()
        if len(code) == 2 and code.isascii() and code.isalpha() and code not in _NO_COUNTRY:
            return code, _read_region(code, headers.get(region, ""))
    return "", ""


def _read_region(country: str, said: str) -> str:
    """ISO 3166-2 without the country as proxies send it, or with it."""
    code = said.strip().upper().removeprefix(f"{country}-")
    return f"{country}-{code}" if 0 < len(code) <= 3 and code.isascii() and code.isalnum() else ""
