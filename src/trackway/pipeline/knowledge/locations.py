"""Address -> country, region, city from an optional .mmdb file of the operator's.

Knowledge: none of ours; the file's licence is between the operator and its maker. Both the nested
layout (GeoLite2, GeoIP2, DB-IP: `country.iso_code`, `city.names.en`) and flat ones (`country` or `country_code`
as text) are read. It deliberately downloads nothing, and never takes an address's registered
country for the place where it is used.
"""

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import maxminddb
from msgspec import Struct

CACHED_ADDRESSES = 8192

_MAPPED = "::ffff:"


class Location(Struct, frozen=True):
    """ISO 3166-1 country, ISO 3166-2 region with the country in front (US-CA), city in English."""

    country: str = ""
    region: str = ""
    city: str = ""


class LocationFileError(ValueError):
    """The file of the setting `location_file` cannot be used; the text says why and what to do."""


NOWHERE = Location()


class LocationFile:
    """The opened file and the addresses looked up lately; without a file every answer is `NOWHERE`.

    It is mapped into memory: replace it by renaming a new file over it (as geoipupdate does),
    never by writing into it.
    """

    def __init__(self, path: str) -> None:
        """LocationFileError when `path` is not empty and no .mmdb file can be opened there."""
        self._path = Path(path) if path else None
        self._reader: maxminddb.Reader | None = None
        self._seen: tuple[int, int, int] | None = None
        self.find = lru_cache(CACHED_ADDRESSES)(self._find)
        if self._path:
            self._seen = _read_mark(self._path)
            self._reader = _open_reader(self._path)

    def refresh(self) -> bool:
        """Open the file anew if it is another one than before; true when it was. Called once per batch.

        LocationFileError when the new file cannot be opened: raised once for each change, and the
        old one stays in use.
        """
        if self._path is None:
            return False
        last, self._seen = self._seen, None
        try:
            self._seen = _read_mark(self._path)
        except LocationFileError:
            if last is None:
                return False
            raise
        if self._seen == last:
            return False
        fresh = _open_reader(self._path)
        if self._reader is not None:
            self._reader.close()
        self._reader = fresh
        self.find.cache_clear()
        return True

    def _find(self, address: str) -> Location:
        if self._reader is None or not address:
            return NOWHERE
        # Only some files know that ::ffff:203.0.113.7 is an IPv4 address.
        plain = address[len(_MAPPED) :] if address.lower().startswith(_MAPPED) and "." in address else address
        try:
            record = self._reader.get(plain.strip())
        except (ValueError, maxminddb.InvalidDatabaseError):
            # No address, an IPv6 address in an IPv4 file, or a damaged record: the event goes on without a place.
            return NOWHERE
        return _read_record(record) if isinstance(record, dict) else NOWHERE


def _read_mark(path: Path) -> tuple[int, int, int]:
    try:
        found = os.stat(path)
    except OSError as error:
        raise LocationFileError(
            f"setting location_file: {path}: {error.strerror}; name an existing .mmdb file or leave it empty"
        ) from None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _open_reader(path: Path) -> maxminddb.Reader:
    try:
        return maxminddb.open_database(path)
    except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
        raise LocationFileError(
            f"setting location_file: {path} is no readable .mmdb file ({error}); download it again"
        ) from None


def _read_record(record: dict[str, Any]) -> Location:
    country = _read_code(_pick(record, "country", "iso_code") or record.get("country") or record.get("country_code"))
    if not country:
        return NOWHERE
    subdivisions = record.get("subdivisions")
    first = subdivisions[0] if isinstance(subdivisions, list) and subdivisions else None
    region = first.get("iso_code") if isinstance(first, dict) else None
    city = _pick(record, "city", "names", "en") or record.get("city")
    return Location(
        country=country,
        region=f"{country}-{region}" if isinstance(region, str) and region else "",
        city=city if isinstance(city, str) else "",
    )


def _pick(record: object, *keys: str) -> object:
    for key in keys:
        record = record.get(key) if isinstance(record, dict) else None
    return record


def _read_code(value: object) -> str:
    return value.upper() if isinstance(value, str) and len(value) == 2 and value.isascii() and value.isalpha() else ""
