"""What is left of an address in each mode."""

import re

import pytest

from trackway.pipeline.addresses import cut_ip
from trackway.pipeline.desk import IP_MODES

IPV6 = "2001:db8:85a3:1234:5678:8a2e:370:7334"


@pytest.mark.parametrize(
    ("mode", "given", "kept"),
    [
        pytest.param("full", "203.0.113.77", "203.0.113.77", id="full keeps it"),
        pytest.param("full", "2001:DB8:0:0::1", "2001:db8::1", id="full writes IPv6 the usual way"),
        pytest.param("full", "::ffff:203.0.113.77", "203.0.113.77", id="full unwraps a mapped IPv4 address"),
        pytest.param("full", "fe80::1%eth0", "fe80::1", id="full forgets the interface"),
        pytest.param("full", " 203.0.113.77 ", "203.0.113.77", id="full trims"),
        pytest.param("truncated", "203.0.113.77", "203.0.113.0", id="truncated keeps a /24"),
        pytest.param("truncated", IPV6, "2001:db8:85a3::", id="truncated keeps a /48"),
        pytest.param("truncated", "::ffff:203.0.113.77", "203.0.113.0", id="truncated unwraps first"),
        pytest.param("dropped", "203.0.113.77", "", id="dropped keeps nothing"),
        pytest.param("dropped", "not an address", "", id="dropped keeps no other text either"),
        pytest.param("full", "203.0.113", "", id="half an address"),
        pytest.param("full", "203.0.113.77:443", "", id="an address with a port"),
        pytest.param("truncated", "<script>", "", id="no address at all"),
        pytest.param("hashed", "localhost", "", id="a name is no address"),
        pytest.param("full", "", "", id="none"),
    ],
)
def test_what_is_left_of_an_address(make_event, make_desk, mode, given, kept):
    assert cut_ip(make_event(ip=given), make_desk(ip_mode=mode)).ip == kept


def test_a_hashed_address_is_the_same_for_one_workspace_and_another_for_the_next(make_event, make_desk):
    here = make_desk(ip_mode="hashed", ip_key=b"1" * 32)
    there = make_desk(ip_mode="hashed", ip_key=b"2" * 32)

    once = cut_ip(make_event(ip="203.0.113.77"), here).ip

    assert re.fullmatch(r"h:[0-9a-f]{16}", once)
    assert cut_ip(make_event(ip="::ffff:203.0.113.77"), here).ip == once
    assert cut_ip(make_event(ip="203.0.113.78"), here).ip != once
    assert cut_ip(make_event(ip="203.0.113.77"), there).ip != once


@pytest.mark.parametrize("mode", IP_MODES)
def test_a_senders_hash_of_the_address_stays_where_addresses_do(make_event, make_desk, mode):
    event = make_event(context={"address_hash": "a1", "user_agent_hash": "b1"})

    kept = cut_ip(event, make_desk(ip_mode=mode)).context

    assert kept == ({"address_hash": "a1"} if mode == "full" else {}) | {"user_agent_hash": "b1"}


@pytest.mark.parametrize("mode", IP_MODES)
@pytest.mark.parametrize("given", ["203.0.113.77", IPV6, "nonsense"])
def test_cutting_twice_is_cutting_once(make_event, make_desk, mode, given):
    once = cut_ip(make_event(ip=given), make_desk(ip_mode=mode))

    assert cut_ip(once, make_desk(ip_mode=mode)) == once


def test_a_mode_that_does_not_exist_is_refused_before_any_event(make_desk):
    with pytest.raises(ValueError, match=r"ip_mode 'trunkated' of workspace 'shop' is none of"):
        make_desk(ip_mode="trunkated")
