"""Campaign parameters and click ids, as real links and bad links carry them."""

import pytest

from trackway.campaign_words import CLICK_ID_KINDS
from trackway.pipeline.campaigns import FILLS, read_campaign
from trackway.pipeline.knowledge.queries import LONGEST_VALUE

SITE = "https://shop.example.com/landing?"


def read_said(make_event, make_desk, query: str) -> dict[str, str]:
    event = read_campaign(make_event(url=SITE + query), make_desk())
    return {name: getattr(event, name) for name in FILLS if getattr(event, name)}


@pytest.mark.parametrize(
    ("query", "said"),
    [
        pytest.param(
            "utm_source=news&utm_medium=email&utm_campaign=may&utm_term=shoes&utm_content=top",
            {
                "utm_source": "news",
                "utm_medium": "email",
                "utm_campaign": "may",
                "utm_term": "shoes",
                "utm_content": "top",
            },
            id="all five",
        ),
        pytest.param("UTM_Source=News", {"utm_source": "News"}, id="names in capitals, the value as it is"),
        pytest.param("utm_campaign=spring+sale%202026", {"utm_campaign": "spring sale 2026"}, id="plus and percent"),
        pytest.param("utm_source=a%26b%3Dc", {"utm_source": "a&b=c"}, id="encoded separators"),
        pytest.param("utm_source=b%C3%BCcher", {"utm_source": "bücher"}, id="encoded umlaut"),
        pytest.param("utm_source=bücher", {"utm_source": "bücher"}, id="bare umlaut"),
        pytest.param("utm_source=%FF%FE", {"utm_source": "\ufffd\ufffd"}, id="bytes that are no UTF-8"),
        pytest.param("utm_source=%zz%", {"utm_source": "%zz%"}, id="broken percent signs"),
        pytest.param("utm_source=first&utm_source=second", {"utm_source": "first"}, id="the first of two"),
        pytest.param("utm_source=&utm_source=second", {"utm_source": "second"}, id="an empty one is none"),
        pytest.param("utm_source=%20%00news%0A", {"utm_source": "news"}, id="blanks and control characters"),
        pytest.param("utm_source=%F0%9F%91%9F", {"utm_source": "👟"}, id="an emoji"),
        pytest.param("mtm_campaign=may&mtm_kwd=shoes", {"utm_campaign": "may", "utm_term": "shoes"}, id="Matomo"),
        pytest.param("pk_cpn=may&pk_source=news", {"utm_campaign": "may", "utm_source": "news"}, id="older Matomo"),
        pytest.param("mtm_source=m&utm_source=u&pk_source=p", {"utm_source": "u"}, id="utm before Matomo"),
        pytest.param("a=1&b=2", {}, id="nothing of ours"),
        pytest.param("utm_source", {}, id="a name without a value"),
        pytest.param("&&&=&==", {}, id="separators only"),
        pytest.param("utm_source=news#utm_medium=x", {"utm_source": "news"}, id="the fragment is no query"),
    ],
)
def test_what_a_query_says(make_event, make_desk, query, said):
    assert read_said(make_event, make_desk, query) == said


@pytest.mark.parametrize("kind", [kind.name for kind in CLICK_ID_KINDS])
def test_each_networks_click_id_is_kept_with_its_name(make_event, make_desk, kind):
    assert read_said(make_event, make_desk, f"{kind}=Cj0.a-b_9") == {"click_id_kind": kind, "click_id": "Cj0.a-b_9"}


def test_of_several_click_ids_the_one_that_proves_an_advertisement_counts(make_event, make_desk):
    said = read_said(make_event, make_desk, "fbclid=f&ScCid=s")

    assert said == {"click_id_kind": "sccid", "click_id": "s"}


def test_a_long_value_is_cut(make_event, make_desk):
    assert len(read_said(make_event, make_desk, "utm_source=" + "x" * 3000)["utm_source"]) == LONGEST_VALUE


@pytest.mark.parametrize(
    "url", ["", "/landing", "about:blank", "https://shop.example.com/", "https://[broken?utm_source"]
)
def test_an_address_without_a_query_leaves_the_event_as_it_is(make_event, make_desk, url):
    event = make_event(url=url)

    assert read_campaign(event, make_desk()) == event


@pytest.mark.parametrize(
    ("query", "beside", "said"),
    [
        pytest.param("", {"utm_source": "fb", "gclid": "1"}, {"utm_source": "fb", "click_id_kind": "gclid", "click_id": "1"}, id="beside a bare address"),
        pytest.param("a=1", {"UTM_Source": " fb&co+ü "}, {"utm_source": "fb&co+ü"}, id="not decoded a second time"),
        pytest.param("utm_source=news", {"utm_source": "fb", "utm_medium": "paid"}, {"utm_source": "news"}, id="the address names the campaign"),
        pytest.param("utm_source=news", {"fbclid": "f"}, {"utm_source": "news", "click_id_kind": "fbclid", "click_id": "f"}, id="campaign of one, click of the other"),
        pytest.param("gclid=g", {"fbclid": "f", "utm_term": "x"}, {"click_id_kind": "gclid", "click_id": "g", "utm_term": "x"}, id="the address names the click"),
        pytest.param("", {"trc_mcmp_id": "1", "trc_mag_id": 2, "trc_mad_id": "3"}, {"utm_campaign": "1", "utm_term": "2", "utm_content": "3"}, id="Tracify at Meta"),
        pytest.param("trc_gcmp_id=1&trc_gag_id=2&trc_gad_id=3&utm_campaign=may", {}, {"utm_campaign": "may", "utm_term": "2", "utm_content": "3"}, id="Tracify at Google, in the address"),
        pytest.param("", {"utm_source": ["fb"], "utm_medium": {"a": 1}, "utm_term": None, "utm_content": True}, {}, id="what is no text says nothing"),
        pytest.param("", ["utm_source"], {}, id="no object says nothing"),
        pytest.param("", {"utm_source": "\ud800"}, {"utm_source": "?"}, id="a lone surrogate"),
    ],
)  # fmt: skip
def test_parameters_beside_the_address(make_event, make_desk, query, beside, said):
    event = read_campaign(make_event(url=(SITE + query).rstrip("?"), context={"url_parameters": beside}), make_desk())

    assert {name: getattr(event, name) for name in FILLS if getattr(event, name)} == said


def test_a_path_alone_may_carry_a_campaign(make_event, make_desk):
    assert read_campaign(make_event(url="/landing?utm_source=news"), make_desk()).utm_source == "news"
