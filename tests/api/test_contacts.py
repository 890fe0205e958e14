"""Contacts and accounts through a real server: told by PUT, POST and events, asked by GET."""

import itertools
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from trackway.testing.server import Answer, TestServer

FIREFOX = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"}
NUMBERS = itertools.count(1)


class Crm:
    """A CRM that talks to the API of a server, and a web shop that sends to it."""

    def __init__(self, server: TestServer) -> None:
        self.server = server
        self.key = server.add_source(f"Shop {next(NUMBERS)}", "native", "web")["credentials"]["write_key"]

    def ask(self, method: str, path: str, content: Any = None) -> Answer:
        body = content if content is None or isinstance(content, str) else json.dumps(content)
        return self.server.request(
            method, f"/api/v1/{path}", body, {"authorization": f"Bearer {self.server.admin_token}"}
        )

    def put(self, path: str, **content: Any) -> Any:
        answer = self.ask("PUT", path, content)
        assert answer.status == 200, answer.body
        self.server.wait_until_settled()
        return answer.json

    def get(self, path: str) -> Any:
        answer = self.ask("GET", path)
        assert answer.status == 200, answer.body
        return answer.json

    def send(self, **event: Any) -> None:
        answer = self.server.post("/v1/events", event, self.key, FIREFOX)
        assert answer.status == 200, answer.body
        self.server.wait_until_settled()

    def refusal(self, method: str, path: str, content: Any = None) -> tuple[int, str, str]:
        answer = self.ask(method, path, content)
        error = answer.json["error"]
        return answer.status, error["reason"], error["field"]


@pytest.fixture(scope="module")
def crm(server: TestServer) -> Crm:
    return Crm(server)


@pytest.fixture
def fresh() -> Callable[[str], str]:
    """A name that no other test uses."""
    number = next(NUMBERS)
    return lambda word: f"{word}{number}"


def traits(answer: dict[str, Any]) -> dict[str, Any]:
    return {trait["name"]: trait["value"] for trait in answer["traits"]}


def test_a_contact_that_was_put_is_found_with_its_address_traits_and_account(crm: Crm, fresh) -> None:  # type: ignore[no-untyped-def]
    contact, account = fresh("c"), fresh("acme")
    told = crm.put(
        f"contacts/{contact}",
        email=f"Jane@{account}.example",
        account_id=account,
        traits={"name": "Jane", "plan": "pro"},
    )
    assert (told["contact_id"], told["status"]) == (contact, "accepted")
    found = crm.get(f"contacts/{contact}")
    assert (found["contact_id"], found["name"], found["identified"]) == (contact, "Jane", True)
    assert {"kind": "email", "value": f"jane@{account}.example"}.items() <= found["identities"][1].items()
    assert traits(found) == {"name": "Jane", "plan": "pro"}
    assert [a["account_id"] for a in found["accounts"]] == [account]
    assert found["traits"][0]["event_id"] == told["event_id"]
    assert found == {"contact_id": contact, **crm.get(f"profiles/{found['profile_id']}")}


def test_what_is_left_out_null_or_empty_stays_as_it_was(crm: Crm, fresh) -> None:  # type: ignore[no-untyped-def]
    contact = fresh("c")
    crm.put(f"contacts/{contact}", phone="+49 30 901820", traits={"plan": "pro", "city": "Berlin"})
    crm.put(f"contacts/{contact}", phone="", email=None, traits={"plan": "free"})
    found = crm.get(f"contacts/{contact}")
    assert traits(found) == {"plan": "free", "city": "Berlin"}
    assert ("phone", "+4930901820") in {(i["kind"], i["value"]) for i in found["identities"]}


def test_the_later_value_holds_also_when_it_is_told_first(crm: Crm, fresh) -> None:  # type: ignore[no-untyped-def]
    contact = fresh("c")
    crm.put(f"contacts/{contact}", traits={"plan": "new"}, occurred_at="2026-02-01T00:00:00Z")
    crm.put(f"contacts/{contact}", traits={"plan": "old"}, occurred_at="2026-01-01T00:00:00Z")
    assert traits(crm.get(f"contacts/{contact}")) == {"plan": "new"}


@pytest.mark.parametrize(
    "contact", ["a/b", "/", "a%2Fb", "50%", "müller & söhne", "😀", "x?y#z", "a+b", "timeline", "..x", "-" * 3 + "1"]
)
def test_an_id_may_hold_anything_that_a_path_can_carry(crm: Crm, fresh, contact: str) -> None:  # type: ignore[no-untyped-def]
    contact += fresh("-")
    path = f"contacts/{quote(contact, safe='')}"
    assert crm.put(path, traits={"is": contact})["contact_id"] == contact
    assert traits(crm.get(path)) == {"is": contact}
    assert crm.get(f"{path}/timeline")["items"][0]["contact_id"] == contact
    assert crm.get(f"{path}/engagement")["days"][-1]["events"] == 1


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("null", "a word for nobody"),
        ("%22undefined%22", "a word for nobody"),
        ("00000000-0000-0000-0000-000000000000", "a word for nobody"),
        ("x" * 501, "501 characters"),
        ("x" * 10_000, "10,000 characters"),
        ("%20", "is required"),
        ("a%00b", "control characters"),
        ("a%0Ab", "control characters"),
        ("a%FFb", "not UTF-8"),
    ],
)
@pytest.mark.parametrize("kind", ["contact", "account"])
def test_an_id_that_would_name_nobody_is_refused_by_name(crm: Crm, kind: str, path: str, why: str) -> None:
    answer = crm.ask("PUT", f"{kind}s/{path}", {})
    assert (answer.status, answer.json["error"]["field"]) == (400, f"{kind}_id")
    assert why in answer.json["error"]["message"]


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({"emial": "a@b.example"}, "emial"),
        ({"email": "none"}, "email"),
        ({"email": "a b@c.example"}, "email"),
        ({"email": ["a@b.example"]}, "email"),
        ({"email": "a" * 600 + "@b.example"}, "email"),
        ({"phone": "030 901820"}, "phone"),
        ({"phone": "null"}, "phone"),
        ({"account_id": "undefined"}, "account_id"),
        ({"account_id": {}}, "account_id"),
        ({"traits": ["pro"]}, "traits"),
        ({"traits": "pro"}, "traits"),
        ({"identifiers": "u1"}, "identifiers"),
        ({"identifiers": {"shoe_size": "44"}}, "identifiers"),
        ({"identifiers": {"user_id": [f"u{n}" for n in range(10_000)]}}, "identifiers"),
        ({"identifiers": {"user_id": "u" * 10_000}}, "identifiers"),
        ({"occurred_at": "yesterday"}, "occurred_at"),
        ({"occurred_at": "2150-01-01T00:00:00Z"}, "occurred_at"),
        ({"occurred_at": True}, "occurred_at"),
    ],
)
def test_a_bad_field_of_a_contact_is_refused_by_name(crm: Crm, fresh, content: Any, field: str) -> None:  # type: ignore[no-untyped-def]
    path = f"contacts/{fresh('c')}"
    assert crm.refusal("PUT", path, content) == (422, "wrong_body", field)
    assert crm.refusal("GET", path) == (404, "unknown_person", "contact_id")


@pytest.mark.parametrize(
    ("content", "field"),
    [({"nmae": "x"}, "nmae"), ({"name": 5.5}, "name"), ({"domain": []}, "domain"), ({"traits": 1}, "traits")],
)
def test_a_bad_field_of_an_account_is_refused_by_name(crm: Crm, fresh, content: Any, field: str) -> None:  # type: ignore[no-untyped-def]
    path = f"accounts/{fresh('a')}"
    assert crm.refusal("PUT", path, content) == (422, "wrong_body", field)
    assert crm.refusal("GET", path) == (404, "unknown_person", "account_id")


def test_traits_nested_deeper_than_the_limit_are_refused_in_the_words_of_the_body(crm: Crm, fresh) -> None:  # type: ignore[no-untyped-def]
    deep: Any = "x"
    for _ in range(80):
        deep = {"in": deep}
    for path in (f"contacts/{fresh('c')}", f"accounts/{fresh('a')}"):
        answer = crm.ask("PUT", path, {"traits": deep})
        assert answer.status == 422
        assert answer.json["error"]["field"].startswith("traits")


def test_many_contacts_at_once_have_a_result_each_and_a_bad_one_keeps_no_other_out(crm: Crm, fresh) -> None:  # type: ignore[no-untyped-def]
    rows = [
        {"contact_id": fresh("a"), "traits": {"n": 1}},
        {"contact_id": fresh("b"), "email": "none"},
        {"email": "x@y.example"},
        {"contact_id": fresh("c"), "occurred_at": "never"},
        "row",
        {"contact_id": fresh("a"), "traits": {"n": 2}},
    ]
    said = crm.ask("POST", "contacts", {"contacts": rows}).json
    assert (said["accepted"], said["rejected"]) == (2, 4)
    assert [r.get("field", r["status"]) for r in said["results"]] == [
        *("accepted", "email", "contact_id", "occurred_at", "row", "accepted"),
    ]
    crm.server.wait_until_settled()
    assert traits(crm.get(f"contacts/{fresh('a')}")) == {"n": 2}


def test_many_may_come_one_a_line(crm: Crm, fresh) -> None:  # type: ignore[no-untyped-def]
    lines = "".join(json.dumps({"account_id": fresh(a), "name": a.upper()}) + "\r\n" for a in ("x", "y"))
    assert crm.ask("POST", "accounts", lines).json["accepted"] == 2
    assert crm.ask("POST", "accounts", json.dumps({"account_id": fresh("z")})).json["accepted"] == 1
    crm.server.wait_until_settled()
    assert crm.get(f"accounts/{fresh('y')}")["name"] == "Y"
    assert crm.refusal("POST", "accounts", '{"account_id": "x"}\n{"acc') == (400, "invalid_json", "body")
    assert crm.refusal("POST", "contacts", {"contacts": []}) == (422, "wrong_body", "contacts")
    assert crm.refusal("POST", "contacts", {"contacts": [{}] * 1001}) == (422, "wrong_body", "contacts")


def test_what_was_seen_before_the_contact_was_known_belongs_to_contact_and_account(crm: Crm, fresh) -> None:  # type: ignore[no-untyped-def]
    device, contact, account = fresh("device"), fresh("c"), fresh("acme")
    crm.send(event_type="page_view", anonymous_id=device, url="https://shop.example/before")
    crm.send(event_type="identify", anonymous_id=device, contact_id=contact)
    crm.put(f"contacts/{contact}", account_id=account)
    for path in (f"contacts/{contact}", f"accounts/{account}"):
        types = [event["event_type"] for event in crm.get(f"{path}/timeline")["items"]]
        assert types == ["contact_updated", "identify", "page_view"]
        engagement = crm.get(f"{path}/engagement")
        assert (engagement["days"][-1]["page_views"], engagement["top_pages"][0]["path"]) == (1, "/before")
        assert engagement["score"] > 0


def test_what_a_crm_writes_down_is_no_visit_and_scores_nothing(crm: Crm, fresh) -> None:  # type: ignore[no-untyped-def]
    contact = fresh("c")
    crm.put(f"contacts/{contact}", traits={"name": "Never here"})
    figures = crm.get(f"contacts/{contact}")["figures"]
    assert (figures["events"], figures["sessions"]) == (1, 0)
    engagement = crm.get(f"contacts/{contact}/engagement")
    assert (engagement["score"], engagement["days"][-1]["events"]) == (0, 1)
    crm.send(event_type="page_view", contact_id=contact, url="https://shop.example/")
    assert crm.get(f"contacts/{contact}")["figures"]["sessions"] == 1
    assert crm.get(f"contacts/{contact}/engagement")["score"] > 0


def test_an_account_has_its_traits_its_people_and_its_figures(crm: Crm, fresh) -> None:  # type: ignore[no-untyped-def]
    account, other, moved, stayed = fresh("acme"), fresh("beta"), fresh("moved"), fresh("stayed")
    crm.put(f"accounts/{account}", name="Acme Inc", traits={"plan": "pro"})
    crm.put(f"contacts/{moved}", account_id=account, traits={"name": "Mo"}, occurred_at="2026-01-01T00:00:00Z")
    crm.put(f"contacts/{moved}", account_id=other, occurred_at="2026-02-01T00:00:00Z")
    crm.put(f"contacts/{stayed}", account_id=account, occurred_at="2026-01-02T00:00:00Z")
    found = crm.get(f"accounts/{account}")
    assert (found["account_id"], found["name"], traits(found)) == (
        account,
        "Acme Inc",
        {"name": "Acme Inc", "plan": "pro"},
    )
    assert [(p["name"], p["current"]) for p in found["people"]] == [(stayed, True), ("Mo", False)]
    assert found["people"][1]["last_at"] == "2026-01-01T00:00:00.000Z"
    assert (found["figures"]["people"], found["figures"]["people_counted"]) == (2, 2)
    # Of who moved on, what they did elsewhere counts too: it is one person's history.
    assert found["figures"]["events"] == 4


def test_an_account_that_only_events_name_is_known(crm: Crm, fresh) -> None:  # type: ignore[no-untyped-def]
    account = fresh("quiet")
    crm.send(event_type="page_view", account_id=account, url="https://shop.example/")
    found = crm.get(f"accounts/{account}")
    assert (found["name"], found["people"], found["figures"]["events"]) == (account, [], 1)


def test_accounts_are_listed_page_by_page_and_by_name(crm: Crm, fresh) -> None:  # type: ignore[no-untyped-def]
    word = fresh("Größe")
    ids = [fresh(f"page-{n}-") for n in range(5)]
    for n, account in enumerate(ids):
        crm.put(f"accounts/{account}", name=f"{word} {n}")
    crm.put(f"contacts/{fresh('c')}", account_id=ids[3])
    asked = f"accounts?name={quote(word.upper())}&limit=2"
    seen, cursor = [], ""
    while True:
        page = crm.get(asked + (f"&cursor={cursor}" if cursor else ""))
        seen += page["items"]
        cursor = page["next"]
        if not cursor:
            break
    assert [a["account_id"] for a in seen] == [ids[3], ids[0], ids[1], ids[2], ids[4]]
    assert [a["people"] for a in seen] == [1, 0, 0, 0, 0]
    assert seen[0]["last_at"]
    assert not seen[1]["last_at"]
    everything, cursor = [], ""
    while cursor is not None:
        page = crm.get("accounts?limit=3" + (f"&cursor={cursor}" if cursor else ""))
        everything += [a["account_id"] for a in page["items"]]
        cursor = page["next"]
    assert len(everything) == len(set(everything))
    assert set(ids) <= set(everything)
    assert crm.refusal("GET", "accounts?cursor=x") == (400, "out_of_range", "cursor")
    assert crm.refusal("GET", "accounts?limit=0") == (400, "out_of_range", "limit")


def test_somebody_with_an_address_of_the_accounts_domain_is_suggested_until_somebody_decides(crm: Crm, fresh) -> None:  # type: ignore[no-untyped-def]
    account, contact = fresh("acme"), fresh("c")
    domain = f"{account}.example"
    crm.put(f"accounts/{account}", domain=f"https://www.{domain.upper()}/about")
    crm.put(f"contacts/{contact}", email=f"bob@{domain}")
    crm.put(f"contacts/{fresh('sub')}", email=f"eve@not{domain}")
    [suggested] = crm.get(f"accounts/{account}")["suggested"]
    person = crm.get(f"contacts/{contact}")
    assert (suggested["profile_id"], suggested["email"]) == (person["profile_id"], f"bob@{domain}")
    assert [s["account_id"] for s in person["suggested_accounts"]] == [account]
    assert person["accounts"] == []

    said = crm.ask("POST", f"accounts/{account}/people", {"profile_id": person["profile_id"]})
    assert (said.status, said.json["status"]) == (200, "accepted")
    crm.server.wait_until_settled()
    assert crm.get(f"accounts/{account}")["suggested"] == []
    person = crm.get(f"contacts/{contact}")
    assert ([a["account_id"] for a in person["accounts"]], person["suggested_accounts"]) == ([account], [])
    added = crm.get(f"accounts/{account}/timeline?event_type=account_person_added")["items"]
    assert [event["properties"]["by"] for event in added] == ["admin token"]


def test_without_the_trait_the_domain_is_the_one_most_of_its_people_have(crm: Crm, fresh) -> None:  # type: ignore[no-untyped-def]
    account, word = fresh("beta"), fresh("firm")
    for n, address in enumerate([f"a@{word}.example", f"b@{word}.example", f"c@other{word}.example", "d@gmail.com"]):
        crm.put(f"contacts/{fresh(f'p{n}-')}", email=address, account_id=account)
    crm.put(f"contacts/{fresh('new')}", email=f"new@{word}.example")
    found = crm.get(f"accounts/{account}")
    assert found["domain"] == f"{word}.example"
    assert [s["email"] for s in found["suggested"]] == [f"new@{word}.example"]
    assert [s["account_id"] for s in crm.get(f"contacts/{fresh('new')}")["suggested_accounts"]] == [account]


@pytest.mark.parametrize("domain", ["gmail.com", "WEB.de", "gmx.net", "proton.me", "icloud.com", "outlook.com"])
def test_free_mail_makes_nobody_colleagues(crm: Crm, fresh, domain: str) -> None:  # type: ignore[no-untyped-def]
    account = fresh("free")
    crm.put(f"accounts/{account}", domain=domain)
    crm.put(f"contacts/{fresh('member')}", email=f"{fresh('m')}@{domain}", account_id=fresh("other"))
    crm.put(f"contacts/{fresh('c')}", email=f"{fresh('x')}@{domain}")
    for name in (account, fresh("other")):
        found = crm.get(f"accounts/{name}")
        assert (found["domain"], found["suggested"]) == ("", [])
    assert crm.get(f"contacts/{fresh('c')}")["suggested_accounts"] == []


def test_nobody_and_nothing_cannot_be_put_together(crm: Crm, fresh) -> None:  # type: ignore[no-untyped-def]
    contact = fresh("c")
    crm.put(f"contacts/{contact}", account_id=fresh("a"))
    profile = crm.get(f"contacts/{contact}")["profile_id"]
    here, away = f"accounts/{fresh('a')}/people", f"accounts/{fresh('nowhere')}/people"
    assert crm.refusal("POST", away, {"profile_id": profile}) == (404, "unknown_person", "account_id")
    unknown = "11111111-1111-8111-8111-111111111111"
    assert crm.refusal("POST", here, {"profile_id": unknown}) == (404, "unknown_person", "profile_id")
    assert crm.refusal("POST", here, {"profile_id": "me"}) == (400, "out_of_range", "profile_id")
    assert crm.refusal("POST", here, {}) == (422, "wrong_body", "profile_id")
    assert crm.refusal("POST", here, {"person": profile}) == (422, "wrong_body", "person")


def test_the_books_balance_over_all_that(crm: Crm) -> None:
    assert crm.server.wait_until_settled()["balanced"]
