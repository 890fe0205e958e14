"""Late, early and repeated events: the same people, sessions and figures as if they had come in order."""

import random


def a_week(scenario, who):
    """Events of one person on two devices, with ids of their own."""

    def me(name):
        return f"{scenario.me(name)}-{who}"

    events = [
        {"event_type": "page_view", "anonymous_id": me("laptop"), "url": "https://shop.example/?utm_source=news"},
        {"event_type": "page_view", "anonymous_id": me("laptop"), "url": "https://shop.example/pricing"},
        {"event_type": "login", "anonymous_id": me("laptop"), "user_id": me("anna"), "traits": {"plan": "free"}},
        {"event_type": "page_view", "anonymous_id": me("phone"), "url": "https://shop.example/"},
        {"event_type": "login", "anonymous_id": me("phone"), "user_id": me("anna"), "traits": {"plan": "pro"}},
        {"event_type": "purchase", "user_id": me("anna"), "properties": {"amount": 20, "currency": "EUR", "order_id": me("o")}},
        {"event_type": "crm", "contact_id": me("c"), "user_id": me("anna"), "traits": {"tags": ["vip"]}},
    ]  # fmt: skip
    for number, event in enumerate(events):
        event |= {"occurred_at": scenario.at(number * 17), "dedupe_key": f"{me('k')}-{number}", "channel": "web"}
    return me, events


def tell(scenario, me):
    profile = scenario.person("user_id", me("anna"))
    sessions = scenario.server.api(f"profiles/{profile['profile_id']}/sessions")["items"]
    figures = {name: value for name, value in profile["figures"].items() if name not in ("browser", "os", "device")}
    return {
        "events": scenario.what(profile),
        "traits": scenario.traits(profile),
        "kinds": [identity["kind"] for identity in profile["identities"]],
        "figures": figures,
        "sessions": [
            (s["started_at"], s["ended_at"], s["events"], s["page_views"], s["revenue"], s["utm_source"])
            for s in sessions
        ],
    }


def test_shuffled_and_repeated_events_in_pieces_tell_the_same_as_events_in_order(scenario):
    me, events = a_week(scenario, "in-order")
    for event in events:
        scenario.send("server", event)
    expected = tell(scenario, me)
    for seed in range(3):
        dice = random.Random(seed)
        me, events = a_week(scenario, f"shuffled-{seed}")
        told = events + dice.sample(events, 4)
        dice.shuffle(told)
        for event in told:
            scenario.send("server", event)
            if dice.random() < 0.4:
                scenario.settle()
        assert tell(scenario, me) == expected, f"seed {seed}"


def test_a_late_page_view_joins_two_visits_into_one(scenario):
    for minute in (0, 50):
        scenario.browser(anonymous_id=scenario.me("laptop"), occurred_at=scenario.at(minute))
    profile = scenario.person("anonymous_id", scenario.me("laptop"))
    assert profile["figures"]["sessions"] == 2
    scenario.browser(anonymous_id=scenario.me("laptop"), occurred_at=scenario.at(25))
    assert scenario.person("anonymous_id", scenario.me("laptop"))["figures"]["sessions"] == 1


def test_a_visit_on_two_devices_of_one_person_is_told_as_that_persons(scenario):
    for device, minute in (("laptop", 0), ("phone", 10)):
        scenario.browser(anonymous_id=scenario.me(device), user_id=scenario.me("anna"), occurred_at=scenario.at(minute))
    profile = scenario.person("user_id", scenario.me("anna"))
    (session,) = scenario.server.api(f"profiles/{profile['profile_id']}/sessions")["items"]
    assert session["events"] == 2


def test_a_timeline_is_paged_without_gaps_or_repeats(scenario):
    events = [
        {"event_type": f"e{number}", "user_id": scenario.me("anna"), "occurred_at": scenario.at(number // 3)}
        for number in range(25)
    ]
    scenario.send("server", *events)
    profile = scenario.person("user_id", scenario.me("anna"))
    seen, cursor = [], ""
    while True:
        page = scenario.server.api(f"profiles/{profile['profile_id']}/timeline", limit=4, cursor=cursor)
        seen += [event["event_type"] for event in page["items"]]
        cursor = page["next"]
        if not cursor:
            break
    assert sorted(seen) == sorted(event["event_type"] for event in events)


def test_a_timeline_can_be_narrowed_to_one_type_of_event(scenario):
    scenario.send("server", *({"event_type": kind, "user_id": scenario.me("u")} for kind in ("a", "b", "a")))
    profile = scenario.person("user_id", scenario.me("u"))
    assert [event["event_type"] for event in scenario.timeline(profile, event_type="a")] == ["a", "a"]


def test_engagement_counts_days_pages_and_scores_what_is_recent(scenario):
    for page in ("/", "/pricing", "/pricing"):
        scenario.browser(anonymous_id=scenario.me("a"), url=f"https://shop.example{page}")
    profile = scenario.person("anonymous_id", scenario.me("a"))
    engagement = scenario.server.api(f"profiles/{profile['profile_id']}/engagement", days=7)
    assert len(engagement["days"]) == 7
    assert sum(day["page_views"] for day in engagement["days"]) == 3
    assert engagement["top_pages"][0]["path"] == "/pricing"
    assert 0 < engagement["score"] < 100
