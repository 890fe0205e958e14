"""IANA time zone -> the one country it lies in.

Knowledge: zone.tab, zone1970.tab and the link lines of tzdata.zi in the package tzdata (code
Apache-2.0, tables public domain). It deliberately answers nothing for zones that several countries
share or that lie nowhere (UTC, Etc/GMT+5, CET).
"""

from importlib import resources

# Browsers say a few old names whose present zone is shared by several countries, while the old name
# itself is of one; the tables no longer tell. (Names: CLDR keeps them as canonical.)
_OLD_NAMES = {
    "Africa/Asmera": "ER",
    "America/Coral_Harbour": "CA",
    "Asia/Rangoon": "MM",
    "Pacific/Ponape": "FM",
    "Pacific/Truk": "FM",
}


class TimeZones:
    """`names` are all zones the tables know; `find_country` gives a code or ""."""

    def __init__(self) -> None:
        package = resources.files("tzdata")
        folder = package / "zoneinfo"
        own = {zone: codes for codes, zone in _read_table((folder / "zone.tab").read_text("utf-8"))}
        shared = {zone: codes for codes, zone in _read_table((folder / "zone1970.tab").read_text("utf-8"))}
        self._countries = {**_follow_links((folder / "tzdata.zi").read_text("utf-8"), shared), **_OLD_NAMES, **own}
        self.names = frozenset((package / "zones").read_text("utf-8").split())

    def find_country(self, zone: str) -> str:
        return self._countries.get(zone, "")


def _read_table(text: str) -> list[tuple[str, str]]:
    rows = (line.split("\t") for line in text.splitlines() if line and not line.startswith("#"))
    return [(row[0], row[2]) for row in rows]


def _follow_links(text: str, shared: dict[str, str]) -> dict[str, str]:
    """Countries of alias names (Asia/Calcutta), where the zone they link to is of a single country."""
    countries = {}
    for line in text.splitlines():
        if line.startswith("L "):
            _, target, alias = line.split()
            codes = shared.get(target, "")
            if len(codes) == 2:
                countries[alias] = codes
    return countries
