"""What is known of somebody, and by whose word."""


def test_a_trait_says_when_and_from_which_event_it_came(scenario):
    answer = scenario.backend(user_id=scenario.me("anna"), traits={"plan": "pro"}, occurred_at=scenario.at(5))
    (trait,) = scenario.person("user_id", scenario.me("anna"))["traits"]
    assert (trait["name"], trait["value"], trait["source"]) == ("plan", "pro", "server")
    assert trait["event_id"] == answer["results"][0]["event_id"]


def test_the_latest_word_counts_also_when_it_arrives_first(scenario):
    scenario.backend(user_id=scenario.me("anna"), traits={"plan": "pro"}, occurred_at=scenario.at(10))
    scenario.settle()
    scenario.backend(user_id=scenario.me("anna"), traits={"plan": "free"}, occurred_at=scenario.at(5))
    assert scenario.traits(scenario.person("user_id", scenario.me("anna"))) == {"plan": "pro"}


def test_a_trait_told_before_the_login_stays_with_the_person(scenario):
    scenario.browser(anonymous_id=scenario.me("laptop"), traits={"colour": "red"})
    scenario.browser(anonymous_id=scenario.me("laptop"), user_id=scenario.me("anna"), traits={"plan": "pro"})
    assert scenario.traits(scenario.person("user_id", scenario.me("anna"))) == {"colour": "red", "plan": "pro"}


def test_a_merge_drops_no_trait_and_shows_the_value_that_lost(scenario):
    scenario.backend(user_id=scenario.me("u"), traits={"city": "Berlin"}, occurred_at=scenario.at(1))
    scenario.backend(contact_id=scenario.me("c"), traits={"city": "Bonn", "seats": 3}, occurred_at=scenario.at(2))
    scenario.backend(user_id=scenario.me("u"), contact_id=scenario.me("c"))
    profile = scenario.person("user_id", scenario.me("u"))
    assert scenario.traits(profile) == {"city": "Bonn", "seats": 3}
    (city,) = [trait for trait in profile["traits"] if trait["name"] == "city"]
    assert [other["value"] for other in city["others"]] == ["Berlin"]


def test_lists_unite(scenario):
    scenario.backend(user_id=scenario.me("u"), traits={"tags": ["a", "b"]})
    scenario.backend(user_id=scenario.me("u"), traits={"tags": ["b", "c"]})
    assert scenario.traits(scenario.person("user_id", scenario.me("u"))) == {"tags": ["a", "b", "c"]}


def test_counters_add_up_over_a_merge(scenario):
    scenario.backend(user_id=scenario.me("u"), traits={"orders": {"$add": 2}})
    scenario.backend(contact_id=scenario.me("c"), traits={"orders": {"$add": 3}})
    scenario.backend(user_id=scenario.me("u"), contact_id=scenario.me("c"))
    assert scenario.traits(scenario.person("user_id", scenario.me("u"))) == {"orders": 5}


def test_a_repeated_event_counts_once(scenario):
    for _ in range(3):
        event = {"event_type": "x", "user_id": scenario.me("u"), "dedupe_key": scenario.me("k"),
                 "traits": {"orders": {"$add": 1}}}  # fmt: skip
        scenario.send("server", event)
    profile = scenario.person("user_id", scenario.me("u"))
    assert scenario.traits(profile) == {"orders": 1}
    assert profile["figures"]["events"] == 1


def test_null_takes_a_trait_away(scenario):
    scenario.backend(user_id=scenario.me("u"), traits={"plan": "pro", "city": "Berlin"}, occurred_at=scenario.at(1))
    scenario.backend(user_id=scenario.me("u"), traits={"plan": None}, occurred_at=scenario.at(2))
    assert scenario.traits(scenario.person("user_id", scenario.me("u"))) == {"city": "Berlin"}


def test_of_two_words_of_one_moment_the_source_of_higher_priority_counts(scenario):
    crm = scenario.server.add_source(scenario.me("CRM"), "native", "server", trait_priority="10")
    scenario._keys["crm"] = crm["credentials"]["write_key"]
    for key, plan in (("crm", "pro"), ("server", "free")):
        event = {
            "event_type": "x",
            "user_id": scenario.me("u"),
            "traits": {"plan": plan},
            "occurred_at": scenario.at(1),
        }
        scenario.send(key, event)
    assert scenario.traits(scenario.person("user_id", scenario.me("u"))) == {"plan": "pro"}


def test_somebody_is_called_by_the_name_they_gave(scenario):
    scenario.backend(user_id=scenario.me("u"), traits={"first_name": "Anna", "last_name": "Berg"})
    assert scenario.person("user_id", scenario.me("u"))["name"] == "Anna Berg"


def test_a_list_that_holds_nothing_says_nothing(scenario):
    scenario.backend(user_id=scenario.me("u"), account_id=scenario.me("a"), traits={"tags": [], "plan": "pro"},
                     account_traits={"name": [], "labels": ["x" * 9000]})  # fmt: skip
    assert scenario.traits(scenario.person("user_id", scenario.me("u"))) == {"plan": "pro"}
    assert scenario.ask("GET", f"accounts/{scenario.me('a')}")["traits"] == []
    assert scenario.ask("GET", "visitors")["items"]


def test_a_counter_that_would_end_beyond_all_numbers_stops_nothing(scenario):
    for amount in (1e308, 1e308, 10**400, 3, "4", True, None):
        scenario.browser(user_id=scenario.me("u"), traits={"orders": {"$add": amount}})
    scenario.browser(user_id=scenario.me("u"), traits={"orders": {"$add": 2}})
    assert scenario.traits(scenario.person("user_id", scenario.me("u"))) == {"orders": 5}
