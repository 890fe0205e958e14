"""Where an event comes from, and by which rule."""

import os

import pytest

from trackway.pipeline.desk import load_knowledge
from trackway.pipeline.knowledge.locations import LocationFileError
from trackway.pipeline.places import find_place
from trackway.place_headers import COUNTRY_HEADERS

GEOLITE = {
    "country": {"iso_code": "US"},
    "subdivisions": [{"iso_code": "CA", "names": {"en": "California"}}],
    "city": {"names": {"en": "San Jose", "de": "San José"}},
    "location": {"time_zone": "America/Los_Angeles"},
}
DB_IP = {
    "country": {"iso_code": "FR", "names": {"en": "France"}},
    "subdivisions": [{"names": {"en": "Normandy"}}],
    "city": {"names": {"en": "Caen"}},
}
FLAT = {"country_code": "nz"}
FLAT_NAMED = {"country": "IS", "city": "Reykjavik"}
NETWORKS = {
    "203.0.113.0/24": GEOLITE,
    "198.51.100.0/24": DB_IP,
    "192.0.2.0/24": FLAT,
    "2001:db8::/32": FLAT_NAMED,
    "100.64.0.0/10": {"registered_country": {"iso_code": "DE"}},
}


@pytest.fixture(scope="module")
def located(make_desk, write_mmdb, tmp_path_factory):
    path = tmp_path_factory.mktemp("places") / "city.mmdb"
    write_mmdb(path, NETWORKS)
    knowledge = load_knowledge(str(path))
    return lambda **fields: make_desk(knowledge=knowledge, **fields)


@pytest.mark.parametrize(
    ("zone", "country"),
    [
        pytest.param("Europe/Berlin", "DE", id="an ordinary zone"),
        pytest.param("Europe/Amsterdam", "NL", id="a zone whose clock is another country's"),
        pytest.param("America/New_York", "US", id="a big country's zone"),
        pytest.param("Asia/Calcutta", "IN", id="the old name that browsers say"),
        pytest.param("Europe/Kiev", "UA", id="another old name"),
        pytest.param("Asia/Rangoon", "MM", id="an old name whose zone is shared today"),
        pytest.param("US/Pacific", "US", id="a link to one country"),
        pytest.param("Atlantic/Jan_Mayen", "", id="a link to a zone of many countries"),
        pytest.param("UTC", "", id="nowhere"),
        pytest.param("Etc/GMT+5", "", id="at sea"),
    ],
)
def test_the_time_zone_names_the_country_where_it_has_only_one(make_event, make_desk, zone, country):
    event = find_place(make_event(context={"time_zone": zone}), make_desk())

    assert (event.time_zone, event.country) == (zone, country)
    assert event.place_rule == ("time_zone" if country else "")


@pytest.mark.parametrize("said", ["Mars/Base", "../../etc/passwd", "", 7, None, ["Europe/Berlin"], "x" * 5000])
def test_a_time_zone_that_is_none_is_as_good_as_not_said(make_event, make_desk, said):
    event = make_event(context={"time_zone": said})

    assert find_place(event, make_desk()) == event


def test_the_other_spelling_is_understood(make_event, make_desk):
    assert find_place(make_event(context={"timezone": "Asia/Tokyo"}), make_desk()).country == "JP"


@pytest.mark.parametrize("name", COUNTRY_HEADERS)
def test_a_proxys_country_header_is_believed(make_event, make_desk, name):
    event = find_place(make_event(context={"time_zone": "Asia/Tokyo"}), make_desk(request_headers={name: "be"}))

    assert (event.country, event.place_rule, event.time_zone) == ("BE", "proxy_header", "Asia/Tokyo")


@pytest.mark.parametrize("code", ["XX", "T1", "", "Belgium", "B", "1E", "бе", "B\0"])
def test_a_header_that_names_no_country_is_passed_over(make_event, make_desk, code):
    headers = {"cf-ipcountry": code, "x-country-code": "FR"}

    assert find_place(make_event(), make_desk(request_headers=headers)).country == "FR"
    assert find_place(make_event(), make_desk(request_headers={"cf-ipcountry": code})).country == ""


def test_a_back_ends_own_country_is_not_its_visitors(make_event, make_desk):
    event = find_place(make_event(channel="server"), make_desk(request_headers={"cf-ipcountry": "IE"}))

    assert event.country == ""


@pytest.mark.parametrize(
    ("ip", "country", "region", "city"),
    [
        pytest.param("203.0.113.77", "US", "US-CA", "San Jose", id="GeoLite2 with everything"),
        pytest.param("::ffff:203.0.113.77", "US", "US-CA", "San Jose", id="the same as a mapped IPv6 address"),
        pytest.param("198.51.100.1", "FR", "", "Caen", id="DB-IP names regions without codes"),
        pytest.param("192.0.2.1", "NZ", "", "", id="a flat country file"),
        pytest.param("2001:db8::1", "IS", "", "Reykjavik", id="a flat file with a city, IPv6"),
        pytest.param("100.64.0.1", "", "", "", id="where it is registered is not where it is"),
        pytest.param("8.8.8.8", "", "", "", id="not in the file"),
        pytest.param("nonsense", "", "", "", id="no address"),
        pytest.param("", "", "", "", id="no address given"),
    ],
)
def test_the_location_file_gives_what_its_layout_holds(make_event, located, ip, country, region, city):
    event = find_place(make_event(ip=ip), located())

    assert (event.country, event.region, event.city) == (country, region, city)
    assert event.place_rule == ("location_file" if country else "")


def test_the_header_wins_over_the_file_and_takes_its_city_only_where_both_agree(make_event, located):
    agreed = find_place(make_event(ip="203.0.113.77"), located(request_headers={"cf-ipcountry": "US"}))
    differed = find_place(make_event(ip="203.0.113.77"), located(request_headers={"cf-ipcountry": "CA"}))

    assert (agreed.country, agreed.city, agreed.place_rule) == ("US", "San Jose", "proxy_header")
    assert (differed.country, differed.city, differed.place_rule) == ("CA", "", "proxy_header")


@pytest.mark.parametrize(
    ("region", "expected"),
    [
        pytest.param("ca", "US-CA", id="as proxies send it"),
        pytest.param("US-CA", "US-CA", id="with the country in front"),
        pytest.param("", "", id="no region"),
        pytest.param("California", "", id="a name"),
        pytest.param("c\0", "", id="no code"),
    ],
)
def test_a_proxys_region_header_is_believed_with_its_country(make_event, make_desk, region, expected):
    headers = {"cf-ipcountry": "US", "cf-region-code": region, "x-region-code": "TX"}

    assert find_place(make_event(), make_desk(request_headers=headers)).region == expected
    assert find_place(make_event(), make_desk(request_headers={"cf-region-code": "CA"})).region == ""


def test_a_region_header_that_differs_from_the_file_leaves_no_city(make_event, located):
    headers = {"cf-ipcountry": "US", "cf-region-code": "TX"}
    event = find_place(make_event(ip="203.0.113.77"), located(request_headers=headers))

    assert (event.region, event.city) == ("US-TX", "")


def test_the_file_wins_over_the_time_zone(make_event, located):
    event = find_place(make_event(ip="198.51.100.1", context={"time_zone": "Europe/London"}), located())

    assert (event.country, event.time_zone, event.place_rule) == ("FR", "Europe/London", "location_file")


def test_a_new_file_is_taken_up_when_it_replaces_the_old_one(make_event, make_desk, write_mmdb, tmp_path):
    path, fresh = tmp_path / "city.mmdb", tmp_path / "fresh.mmdb"
    write_mmdb(path, {"203.0.113.0/24": {"country": {"iso_code": "US"}}})
    knowledge = load_knowledge(str(path))
    event, desk = make_event(ip="203.0.113.77"), make_desk(knowledge=knowledge)
    assert find_place(event, desk).country == "US"
    assert knowledge.locations.refresh() is False

    write_mmdb(fresh, {"203.0.113.0/24": {"country": {"iso_code": "MX"}}})
    os.replace(fresh, path)

    assert knowledge.locations.refresh() is True
    assert find_place(event, desk).country == "MX"


def test_a_broken_new_file_is_reported_once_and_the_old_one_stays(make_event, make_desk, write_mmdb, tmp_path):
    path, broken = tmp_path / "city.mmdb", tmp_path / "broken.mmdb"
    write_mmdb(path, {"203.0.113.0/24": {"country": {"iso_code": "US"}}})
    knowledge = load_knowledge(str(path))
    broken.write_bytes(b"not a database")
    os.replace(broken, path)

    with pytest.raises(LocationFileError, match=r"location_file: .*city\.mmdb is no readable \.mmdb file"):
        knowledge.locations.refresh()

    assert knowledge.locations.refresh() is False
    assert find_place(make_event(ip="203.0.113.77"), make_desk(knowledge=knowledge)).country == "US"


def test_a_vanished_file_is_reported_once_and_taken_up_when_it_is_back(write_mmdb, tmp_path):
    path = tmp_path / "city.mmdb"
    write_mmdb(path, {"203.0.113.0/24": {"country": {"iso_code": "US"}}})
    locations = load_knowledge(str(path)).locations
    path.unlink()

    with pytest.raises(LocationFileError, match="No such file"):
        locations.refresh()
    assert locations.refresh() is False

    write_mmdb(path, {"203.0.113.0/24": {"country": {"iso_code": "MX"}}})
    assert locations.refresh() is True
    assert locations.find("203.0.113.77").country == "MX"


def test_a_file_that_does_not_exist_is_a_clear_error(tmp_path):
    with pytest.raises(
        LocationFileError, match=r"setting location_file: .*none\.mmdb: No such file or directory; name"
    ):
        load_knowledge(str(tmp_path / "none.mmdb"))


def test_every_zone_that_lies_in_one_country_has_a_known_name(knowledge):
    zones = knowledge.time_zones
    found = [zone for zone in zones.names if zones.find_country(zone)]

    assert len(found) > 500
    assert all(len(zones.find_country(zone)) == 2 for zone in found)
