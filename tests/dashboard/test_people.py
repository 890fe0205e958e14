"""The pages Visitors, Profile, Decision and Accounts, over plain HTTP."""

import re
import time
from html import unescape
from typing import Any
from urllib.parse import quote

import pytest

from trackway.testing.server import TestServer

from .conftest import Sender, Visitor, read_csrf
from .naughty import NAUGHTY

NOBODY = "25f1c778-f0f0-88e0-a9d5-f6dd1bb67312"


@pytest.fixture
def tag(request: pytest.FixtureRequest) -> str:
    """Makes the identifiers of a test its own: all tests share one server."""
    return f"{time.time_ns():x}"


def find(server: TestServer, kind: str, value: str) -> str:
    """The id of the profile that has an identifier."""
    profile: str = server.api("profiles/lookup", kind=kind, value=value)["profile_id"]
    return profile


def known_person(sender: Sender, tag: str, **more: Any) -> str:
    """Somebody who looked around, then logged in; the id of their profile."""
    device, user = f"device-{tag}", f"user-{tag}"
    sender.store(
        {"event_type": "page_view", "anonymous_id": device, "url": "https://shop.example/boots", "title": "Boots"}
    )
    traits = {"name": f"Jane {tag}", "email": f"jane.{tag}@mail.example", "plan": "pro"}
    sender.store({"event_type": "identify", "anonymous_id": device, "user_id": user, "traits": traits, **more})
    return find(sender.server, "user_id", user)


def test_the_list_names_people_and_says_what_each_did(member: Visitor, browsing: Sender, tag: str) -> None:
    profile = known_person(browsing, tag, account_id=f"acme-{tag}")
    page = member.text(f"/app/visitors?source={browsing.source['id']}")
    row = page[page.index(f'href="/app/profiles/{profile}"') :]
    row = row[: row.index("</tr>")]
    for text in (
        f"Jane {tag}",
        f'href="/app/accounts/acme-{tag}"',
        'data-label="Events" class="number">2<',
        browsing.source["name"],
    ):
        assert text in row


def test_the_list_filters_and_pages_by_links(member: Visitor, browsing: Sender, tag: str) -> None:
    browsing.store(*({"event_type": "page_view", "anonymous_id": f"{tag}-{n}"} for n in range(3)))
    jane = known_person(browsing, tag, account_id=f"acme-{tag}")
    source = browsing.source["id"]

    def list_ids(query: str) -> list[str]:
        return re.findall(r'<th scope="row"><a href="/app/profiles/([^"]+)"', member.text(f"/app/visitors?{query}"))

    assert list_ids(f"source={source}&identified=yes") == [jane]
    assert jane not in list_ids(f"source={source}&identified=no")
    assert list_ids(f"account=acme-{tag}") == [jane]
    assert len(list_ids(f"source={source}&live=1")) == 4
    first = member.text(f"/app/visitors?source={source}&limit=3")
    older = re.search(r'rel="next" href="([^"]+)"', first)
    assert older
    assert len(list_ids(older[1].partition("?")[2])) == 1
    assert "Nobody matches these filters" in member.text(f"/app/visitors?source={source}&account=none")


def test_people_who_were_merged_are_one_row_and_the_twin_answers_as_the_api_does(
    member: Visitor, browsing: Sender, tag: str
) -> None:
    jane = known_person(browsing, tag)
    browsing.store({"event_type": "page_view", "anonymous_id": f"other-{tag}"})
    server, query = browsing.server, {"source": browsing.source["id"]}
    assert len(server.api("visitors", **query)["items"]) == 2
    other = find(server, "anonymous_id", f"other-{tag}")
    assert server.post("/api/v1/profiles/merge", {"a": jane, "b": other}, server.admin_token).status == 200
    deadline = time.monotonic() + 60
    while len(server.api("visitors", **query)["items"]) > 1 and time.monotonic() < deadline:
        time.sleep(0.05)
    [one] = server.api("visitors", **query)["items"]
    assert (one["profile_id"], one["events"], one["name"]) == (jane, 3, f"Jane {tag}")
    assert member.get(f"/app/visitors.json?source={query['source']}").json["items"] == [one]


@pytest.mark.parametrize("query", ["live=yes", "identified=maybe", "limit=0", "cursor=x", "account=" + "x" * 600])
def test_a_filter_that_makes_no_sense_is_refused_with_what_is_wrong(member: Visitor, query: str) -> None:
    answer = member.get(f"/app/visitors?{query}")
    assert answer.status == 400
    assert query.partition("=")[0] in answer.body.decode()


@pytest.mark.parametrize(
    "typed", ["device-{tag}", "user-{tag}", "jane.{tag}@mail.example", " JANE.{tag}@Mail.Example ", "{profile}"]
)
def test_a_search_by_any_identifier_leads_to_the_profile(
    member: Visitor, browsing: Sender, tag: str, typed: str
) -> None:
    profile = known_person(browsing, tag)
    answer = member.get(f"/app/visitors/search?q={quote(typed.format(tag=tag, profile=profile))}")
    assert (answer.status, answer.headers["location"]) == (303, f"/app/profiles/{profile}")


def test_a_search_that_finds_nobody_or_several_says_so(member: Visitor, browsing: Sender, tag: str) -> None:
    assert "Nobody has that" in member.text("/app/visitors/search?q=nobody@nowhere.example")
    browsing.store({"event_type": "a", "anonymous_id": tag}, {"event_type": "b", "user_id": tag})
    page = member.text(f"/app/visitors/search?q={tag}")
    assert "Several people have that" in page
    assert all(find(browsing.server, kind, tag) in page for kind in ("user_id", "anonymous_id"))


def test_a_profile_says_who_somebody_is_and_why_we_think_so(member: Visitor, browsing: Sender, tag: str) -> None:
    profile = known_person(browsing, tag, account_id=f"acme-{tag}")
    page = member.text(f"/app/profiles/{profile}")
    for text in (
        f'<h1 class="wrap" title="Jane {tag}">Jane {tag}</h1>',
        "Identified",
        f"device-{tag}",
        f"jane.{tag}@mail.example",
        "one event named both",
        "by a public key",
        f'href="/app/accounts/acme-{tag}"',
        "plan",
        "Boots",
        "Show the numbers",
    ):
        assert text in page
    evidence = re.search(r'<ul class="reasons">.*?href="/app/events/([^"]+)"', page, re.S)
    assert evidence
    assert browsing.server.api(f"events/{evidence[1]}")["event_type"] == "identify"


def test_a_twin_of_a_profile_answers_what_the_api_does(member: Visitor, browsing: Sender, tag: str) -> None:
    profile = known_person(browsing, tag)
    twin = member.get(f"/app/profiles/{profile}.json").json
    known = browsing.server.api(f"profiles/{profile}")
    assert {name: twin[name] for name in known} == known
    assert twin["links"] == browsing.server.api(f"profiles/{profile}/identities")["links"]
    assert twin["timeline"]["items"] == browsing.server.api(f"profiles/{profile}/timeline")["items"]


def test_an_event_and_its_row_lead_to_the_profile(member: Visitor, browsing: Sender, tag: str) -> None:
    [event_id] = browsing.store({"event_type": "page_view", "anonymous_id": tag})
    profile = find(browsing.server, "anonymous_id", tag)
    for path in (f"/app/events/{event_id}", f"/app/events?source={browsing.source['id']}"):
        assert f'href="/app/profiles/{profile}"' in member.text(path)
    assert "page_view" in member.text(f"/app/profiles/{profile}")


def test_a_value_that_lost_is_shown_beside_the_one_that_won(member: Visitor, browsing: Sender, tag: str) -> None:
    profile = known_person(browsing, tag)
    browsing.store({"event_type": "identify", "anonymous_id": f"device-{tag}", "traits": {"plan": "free"}})
    page = member.text(f"/app/profiles/{profile}")
    traits = page[page.index("traits-title") :]
    assert "free" in traits
    assert "1 other value" in traits


def test_the_timeline_is_folded_by_session_with_the_newest_open(member: Visitor, browsing: Sender, tag: str) -> None:
    browsing.store(
        {"event_type": "page_view", "anonymous_id": tag, "session_id": "old", "occurred_at": "2026-01-02T10:00:00Z"},
        {"event_type": "page_view", "anonymous_id": tag, "session_id": "old", "occurred_at": "2026-01-02T10:01:00Z"},
        {"event_type": "click", "anonymous_id": tag, "session_id": "new", "occurred_at": "2026-01-03T10:00:00Z"},
    )
    page = member.text(f"/app/profiles/{find(browsing.server, 'anonymous_id', tag)}")
    folds = re.findall(
        r'<details class="fold"( open)? data-session="(\w+)"',
        page,
    )
    assert folds == [(" open", "new"), ("", "old")]


def test_the_timeline_pages_by_links_and_tells_what_is_on_other_pages(
    member: Visitor, browsing: Sender, tag: str
) -> None:
    browsing.store(*({"event_type": f"step_{n}", "anonymous_id": tag, "session_id": "long"} for n in range(5)))
    profile = find(browsing.server, "anonymous_id", tag)
    page = member.text(f"/app/profiles/{profile}?limit=3")
    assert "2 more of this session stand on another page" in page
    older = re.search(r'rel="next" href="([^"]+)"', page)
    assert older
    shown = set(re.findall(r"step_\d", page)) | set(re.findall(r"step_\d", member.text(older[1].partition("#")[0])))
    assert shown == {f"step_{n}" for n in range(5)}


def test_a_conversation_is_told_in_the_order_in_which_it_was_led(member: Visitor, browsing: Sender, tag: str) -> None:
    said = [("widget_opened", ""), ("message_sent", "Is it waterproof?"), ("message_received", "Yes, quite.")]
    browsing.store(
        *(
            {"event_type": kind, "anonymous_id": tag, "instance_id": f"chat-{tag}", "properties": {"text": text},
             "occurred_at": f"2026-02-01T10:00:0{n}Z"}
            for n, (kind, text) in enumerate(said)
        )
    )  # fmt: skip
    page = member.text(f"/app/profiles/{find(browsing.server, 'anonymous_id', tag)}")
    talk = page[page.index("conversations-title") :]
    assert 0 < talk.index("widget opened") < talk.index("Is it waterproof?") < talk.index("Yes, quite.")


@pytest.mark.parametrize("profile_id", [NOBODY, "not-an-id", "%3Cscript%3E"])
def test_an_unknown_profile_gets_a_page_that_says_so(member: Visitor, profile_id: str) -> None:
    for path in (f"/app/profiles/{profile_id}", f"/app/profiles/{profile_id}/preview"):
        answer = member.get(path)
        assert answer.status == 404
        assert "There is no such profile" in answer.body.decode()
    twin = member.get(f"/app/profiles/{profile_id}.json")
    assert (twin.status, twin.json["error"]["reason"]) == (404, "unknown_profile")


def test_a_link_is_undone_and_restored_through_the_page(member: Visitor, browsing: Sender, tag: str) -> None:
    profile = known_person(browsing, tag)
    page = member.text(f"/app/profiles/{profile}")
    part = page[page.index(f">device-{tag}</span>") :]
    edge = re.search(r'name="edge" value="([^"]+)"', part)
    assert edge
    path = f"/app/profiles/{profile}"
    preview = member.text(f"{path}/preview?action=undo&edge={edge[1]}")
    assert "1 identifier belongs to another profile" in preview
    assert "There are 2 profiles" in preview
    assert find(browsing.server, "anonymous_id", f"device-{tag}") == profile, "a preview changes nothing"
    fields = {
        "csrf": read_csrf(member.get(f"{path}/preview?action=undo&edge={edge[1]}")),
        "action": "undo",
        "edge": edge[1],
    }
    done = member.post(f"{path}/decide", fields)
    assert done.status == 303
    after = member.text(done.headers["location"])
    assert "Done." in after
    assert "Kept apart" in after
    assert "Undone" in after
    assert find(browsing.server, "anonymous_id", f"device-{tag}") != profile
    again = member.post(f"{path}/decide", fields)
    assert again.status == 400
    assert "Nothing was changed" in again.body.decode()
    assert member.post(f"{path}/decide", fields | {"action": "restore"}).status == 303
    assert find(browsing.server, "anonymous_id", f"device-{tag}") == profile


def test_two_profiles_are_merged_through_the_page_and_the_old_id_goes_on_leading_there(
    member: Visitor, browsing: Sender, tag: str
) -> None:
    jane = known_person(browsing, tag)
    browsing.store({"event_type": "page_view", "anonymous_id": f"other-{tag}", "title": "Seen elsewhere"})
    other = find(browsing.server, "anonymous_id", f"other-{tag}")
    address = f"{browsing.server.url}/app/profiles/{other}?cursor=x"
    preview = member.get(f"/app/profiles/{jane}/preview?action=merge&other={quote(address, safe='')}")
    assert preview.status == 200
    assert "There is one profile" in unescape(preview.body.decode())
    fields = {"csrf": read_csrf(preview), "action": "merge", "other": other}
    done = member.post(f"/app/profiles/{jane}/decide", fields)
    assert done.status == 303
    assert "Seen elsewhere" in member.text(done.headers["location"])
    old = member.text(f"/app/profiles/{other}")
    assert f"Jane {tag}" in old
    assert "The id you followed was merged into this profile" in old
    page = member.text(f"/app/profiles/{jane}")
    assert "a person merged them" in page


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("action=merge&other=nonsense", "is no profile id"),
        (f"action=merge&other={NOBODY}", "no profile has or had the id"),
        ("action=merge&other={self}", "both are one profile already"),
        ("action=undo&edge=none", "there is no link"),
    ],
)
def test_a_decision_that_cannot_be_made_says_why(
    member: Visitor, browsing: Sender, tag: str, query: str, says: str
) -> None:
    profile = known_person(browsing, tag)
    page = member.text(f"/app/profiles/{profile}/preview?{query.format(self=profile)}")
    assert "That cannot be done" in page
    assert says in page
    assert member.get(f"/app/profiles/{profile}/preview?action=explode").status == 400


def test_a_preview_warns_where_two_people_would_be_one(member: Visitor, browsing: Sender, tag: str) -> None:
    jane = known_person(browsing, tag)
    browsing.store({"event_type": "identify", "user_id": f"joe-{tag}", "traits": {"name": f"Joe {tag}"}})
    joe = find(browsing.server, "user_id", f"joe-{tag}")
    page = member.text(f"/app/profiles/{jane}/preview?action=merge&other={joe}")
    assert "Senders tell these apart as 2 people" in page
    twin = member.get(f"/app/profiles/{jane}/preview.json?action=merge&other={joe}").json
    assert (twin["refused"], len(twin["profiles"])) == ("", 1)


def test_a_decision_without_the_sessions_token_changes_nothing(member: Visitor, browsing: Sender, tag: str) -> None:
    jane = known_person(browsing, tag)
    browsing.store({"event_type": "page_view", "anonymous_id": f"other-{tag}"})
    other = find(browsing.server, "anonymous_id", f"other-{tag}")
    form = {"action": "merge", "other": other}
    csrf = read_csrf(member.get("/app/sources"))
    for fields, headers in (
        (form, {}),
        (form | {"csrf": "0" * 64}, {}),
        (form | {"csrf": csrf}, {"sec-fetch-site": "cross-site"}),
        (form | {"csrf": csrf}, {"origin": "https://evil.example"}),
    ):
        assert member.post(f"/app/profiles/{jane}/decide", fields, **headers).status == 403
    assert member.get(f"/app/profiles/{jane}/decide").status == 405
    assert find(browsing.server, "anonymous_id", f"other-{tag}") == other


def test_a_shared_device_is_shown_as_quarantined_with_a_way_to_decide(
    member: Visitor, browsing: Sender, tag: str
) -> None:
    for user in ("anna", "bert"):
        browsing.store({"event_type": "identify", "anonymous_id": f"till-{tag}", "user_id": f"{user}-{tag}"})
    page = member.text(f"/app/profiles/{find(browsing.server, 'user_id', f'anna-{tag}')}")
    apart = page[page.index("Kept apart") :]
    assert "Quarantined" in apart
    assert "shared by people with different ids" in apart
    assert 'value="approve"' in apart


def test_another_profile_at_the_same_address_is_only_suggested(
    member: Visitor, browsing: Sender, server: TestServer, tag: str
) -> None:
    key = browsing.source["credentials"]["write_key"]
    seen = {
        "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
        "x-forwarded-for": "192.0.2.77",
    }
    for device in ("one", "two"):
        server.post("/v1/events", {"event_type": "page_view", "anonymous_id": f"{device}-{tag}"}, key, seen)
    server.wait_until_settled()
    one, two = (find(server, "anonymous_id", f"{device}-{tag}") for device in ("one", "two"))
    suggested = [each["profile_id"] for each in server.api(f"profiles/{one}")["suggested"]]
    page = member.text(f"/app/profiles/{one}")
    assert two in suggested
    assert "a suggestion," in page
    assert "Preview merge" in page
    assert server.api(f"profiles/{one}")["ids"] == [one]


def test_an_account_shows_its_people_and_what_they_did(member: Visitor, browsing: Sender, tag: str) -> None:
    jane = known_person(browsing, tag, account_id=f"acme-{tag}", account_traits={"name": f"Acme {tag}", "size": 12})
    page = member.text(f"/app/accounts/acme-{tag}")
    for text in (f"Acme {tag}", f'href="/app/profiles/{jane}"', f"Jane {tag}", "size", "Boots", "identify"):
        assert text in page
    assert f"Acme {tag}" in member.text(f"/app/accounts?name=acme {tag}".replace(" ", "+"))
    unknown = member.get("/app/accounts/none-such")
    assert unknown.status == 404
    assert "There is no such account" in unknown.body.decode()


def test_an_account_id_may_hold_a_slash(member: Visitor, browsing: Sender, tag: str) -> None:
    known_person(browsing, tag, account_id=f"eu/acme {tag}")
    listed = member.text(f"/app/accounts?name={tag}")
    link = re.search(r'<th scope="row"><a href="([^"]+)"', listed)
    assert link
    assert f"eu/acme {tag}" in member.text(link[1])
    assert member.get(link[1] + ".json").json["account_id"] == f"eu/acme {tag}"


def test_whatever_people_are_called_the_pages_show_it_as_text(member: Visitor, browsing: Sender, tag: str) -> None:
    texts = [text for text in NAUGHTY if len(text) < 400]
    browsing.store(
        *(
            {"event_type": "message_sent", "anonymous_id": f"{n}-{tag}{text[:100]}", "user_id": f"{text[:100]}{n}-{tag}",
             "account_id": f"{text[:100]}{n}", "session_id": text[:100], "title": text, "url": text[:200],
             "instance_id": f"{n}{text[:80]}", "properties": {"text": text},
             "traits": {"name": text, text[:100]: text}, "account_traits": {"name": text}}
            for n, text in enumerate(texts)
        )
    )  # fmt: skip
    source = browsing.source["id"]
    visitors = member.get(f"/app/visitors.json?source={source}&limit=100").json["items"]
    assert len(visitors) > len(texts) / 2
    paths = [f"/app/visitors?source={source}&limit=100", "/app/accounts?limit=200"]
    paths += [f"/app/profiles/{each['profile_id']}" for each in visitors]
    paths += [f"/app/accounts/{quote(each['account_id'], safe='')}" for each in visitors[:12] if each["account_id"]]
    for path in paths:
        answer = member.get(path)
        assert answer.status == 200, path
        html = answer.body.decode()
        for markup in (
            "<script>window",
            "<img src=x",
            "<svg onload",
            "<svg/onload",
            "<iframe",
            "<base ",
            "<meta http-equiv=refresh",
            "<style>@",
            "<math>",
        ):
            assert markup not in html, (path, markup)
        assert 'href="javascript:' not in html.lower()


def test_five_hundred_identities_fold_away(member: Visitor, browsing: Sender, tag: str) -> None:
    events = [
        {"event_type": "page_view", "user_id": f"many-{tag}", "identifiers": {"email": f"m{n}.{tag}@mail.example"}}
        for n in range(90)
    ]
    browsing.store(*events)
    page = member.text(f"/app/profiles/{find(browsing.server, 'user_id', f'many-{tag}')}")
    assert re.search(r"<summary>[\d,]+ more", page)
    assert len(page) < 3_000_000
