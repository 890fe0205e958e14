"""What must not make one person of two, and input that is no identifier."""

import json
import threading

import pytest

WORDS = [
    "null", "undefined", "None", "NaN", "0", "-1", "true", "false", "anonymous", "Guest", "UNKNOWN", "[object Object]",
    '"null"', "'undefined'", "00000000-0000-0000-0000-000000000000",
]  # fmt: skip


@pytest.mark.parametrize("word", WORDS)
def test_a_word_for_nobody_is_nobody(scenario, word):
    for device in ("one", "two"):
        scenario.browser(anonymous_id=scenario.me(device), user_id=word)
    assert scenario.find("user_id", word) is None
    assert scenario.apart(("anonymous_id", scenario.me("one")), ("anonymous_id", scenario.me("two")))


def test_two_people_on_one_tablet_stay_two_and_the_tablet_is_quarantined(scenario):
    for user in ("anna", "bert"):
        scenario.browser(anonymous_id=scenario.me("tablet"), user_id=scenario.me(user))
    ends = [("user_id", scenario.me("anna")), ("user_id", scenario.me("bert")), ("anonymous_id", scenario.me("tablet"))]
    assert scenario.apart(*ends)
    link = scenario.link_between(scenario.person("user_id", scenario.me("anna")), "user_id", "anonymous_id")
    assert link["state"] == "quarantined"
    assert "shared" in link["why"]


def test_events_of_a_shared_tablet_that_name_somebody_are_still_theirs(scenario):
    for user in ("anna", "bert"):
        scenario.browser(anonymous_id=scenario.me("tablet"), user_id=scenario.me(user), event_type=f"by_{user}")
    scenario.browser(anonymous_id=scenario.me("tablet"), event_type="by_nobody")
    assert scenario.what(scenario.person("user_id", scenario.me("anna"))) == ["by_anna"]
    assert scenario.what(scenario.person("anonymous_id", scenario.me("tablet"))) == ["by_nobody"]


def test_a_person_can_decide_whose_a_shared_tablet_is(scenario):
    for user in ("anna", "bert"):
        scenario.browser(anonymous_id=scenario.me("tablet"), user_id=scenario.me(user))
    link = scenario.link_between(scenario.person("user_id", scenario.me("anna")), "user_id", "anonymous_id")
    assert scenario.ask("POST", f"edges/{link['edge']}/approve")["applied"]
    assert scenario.same(("user_id", scenario.me("anna")), ("anonymous_id", scenario.me("tablet")))
    assert scenario.apart(("user_id", scenario.me("bert")), ("anonymous_id", scenario.me("tablet")))


def test_a_browser_cannot_take_over_a_contact_by_naming_their_mail_address(scenario):
    scenario.backend(contact_id=scenario.me("victim"), email=scenario.mail("victim"))
    scenario.browser(anonymous_id=scenario.me("own"), user_id=scenario.me("attacker"), email=scenario.mail("victim"))
    assert scenario.apart(("contact_id", scenario.me("victim")), ("user_id", scenario.me("attacker")))


def test_a_browser_cannot_take_over_a_contact_in_two_steps_by_its_own_device(scenario):
    scenario.backend(contact_id=scenario.me("victim"), email=scenario.mail("victim"))
    scenario.browser(anonymous_id=scenario.me("own"), user_id=scenario.me("attacker"))
    scenario.browser(anonymous_id=scenario.me("own"), email=scenario.mail("victim"))
    assert scenario.apart(("contact_id", scenario.me("victim")), ("user_id", scenario.me("attacker")))


def test_the_same_words_of_a_back_end_do_merge(scenario):
    scenario.backend(contact_id=scenario.me("c"), email=scenario.mail("anna"))
    scenario.backend(user_id=scenario.me("u"), email=scenario.mail("anna"))
    assert scenario.same(("contact_id", scenario.me("c")), ("user_id", scenario.me("u")))


def test_a_hundred_and_one_devices_are_one_too_many(scenario):
    events = [
        {"event_type": "login", "user_id": scenario.me("anna"), "anonymous_id": f"{scenario.me('d')}-{number:03}",
         "occurred_at": scenario.at(number / 10)}
        for number in range(101)
    ]  # fmt: skip
    scenario.send("server", *events)
    assert scenario.same(("user_id", scenario.me("anna")), ("anonymous_id", f"{scenario.me('d')}-000"))
    assert scenario.apart(("user_id", scenario.me("anna")), ("anonymous_id", f"{scenario.me('d')}-100"))


def test_an_id_that_everybody_has_is_nobodys(scenario):
    everybody = scenario.me("hard-coded")
    for start in range(0, 1200, 400):
        scenario.send(
            "web",
            *(
                {"event_type": "login", "anonymous_id": everybody, "user_id": f"{scenario.me('u')}-{number}"}
                for number in range(start, start + 400)
            ),
        )
    assert scenario.apart(
        ("user_id", f"{scenario.me('u')}-0"), ("user_id", f"{scenario.me('u')}-1"), ("anonymous_id", everybody)
    )


def test_an_identifier_of_ten_thousand_characters_is_refused_by_name(scenario):
    said = scenario.refused("web", {"event_type": "x", "user_id": "u" * 10_000})
    assert "user_id" in json.dumps(said)
    assert "500" in json.dumps(said)


def test_ten_thousand_identifiers_in_one_event_are_refused_by_name(scenario):
    many = {"email": [f"{number}@example.com" for number in range(10_000)]}
    said = scenario.refused("server", {"event_type": "x", "identifiers": many})
    assert "more than 50 values" in json.dumps(said)


def test_an_unknown_kind_of_identifier_is_refused_with_the_known_ones(scenario):
    said = scenario.refused("server", {"event_type": "x", "identifiers": {"passport": "P1"}})
    assert "passport" in json.dumps(said)
    assert "email_hash" in json.dumps(said)


@pytest.mark.parametrize("bad", ["a\x07b", "a\nb", "a\u0000b\u001f"])
def test_an_id_with_control_characters_links_nobody_and_loses_no_event(scenario, bad):
    scenario.browser(anonymous_id=scenario.me("laptop"), user_id=bad + scenario.me("x"))
    assert scenario.person("anonymous_id", scenario.me("laptop"))["figures"]["events"] == 1


@pytest.mark.parametrize("bad", ["no-at-sign", "@example.com", "two@@example.com", "blank in@example.com"])
def test_what_is_no_mail_address_links_nobody(scenario, bad):
    scenario.backend(user_id=scenario.me("anna"), email=bad)
    kinds = {identity["kind"] for identity in scenario.person("user_id", scenario.me("anna"))["identities"]}
    assert kinds == {"user_id"}


def test_letters_that_look_alike_stay_two_people(scenario):
    latin, cyrillic = scenario.mail("anna"), scenario.mail("\u0430nna")
    scenario.backend(user_id=scenario.me("one"), email=latin)
    scenario.backend(user_id=scenario.me("two"), email=cyrillic)
    assert scenario.apart(("user_id", scenario.me("one")), ("user_id", scenario.me("two")))


def test_composed_and_decomposed_letters_are_one_id(scenario):
    scenario.backend(user_id=scenario.me("J\u00fcrgen"), event_type="one")
    scenario.backend(user_id=scenario.me("Ju\u0308rgen"), event_type="two")
    assert scenario.what(scenario.person("user_id", scenario.me("J\u00fcrgen"))) == ["one", "two"]


def test_the_same_value_as_two_kinds_of_id_is_no_loop(scenario):
    scenario.backend(user_id=scenario.me("same"), contact_id=scenario.me("same"), anonymous_id=scenario.me("same"))
    assert scenario.same(("user_id", scenario.me("same")), ("anonymous_id", scenario.me("same")))


def test_links_in_a_circle_are_one_person(scenario):
    a, b, c = scenario.mail("a"), scenario.mail("b"), scenario.mail("c")
    for one, other in ((a, b), (b, c), (c, a)):
        scenario.backend(identifiers={"email": [one, other]})
    assert scenario.same(("email", a), ("email", b), ("email", c))


def test_a_bot_makes_no_people(scenario):
    crawler = {"user-agent": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"}
    event = {"event_type": "page_view", "anonymous_id": scenario.me("bot"), "user_id": scenario.me("u")}
    scenario.send("web", event, **crawler)
    assert scenario.find("anonymous_id", scenario.me("bot")) is None


def test_sixty_four_connections_that_identify_the_same_two_people_make_two_profiles(scenario):
    def identify(number: int) -> None:
        who = ("anna", "bert")[number % 2]
        scenario.send(
            "server",
            {
                "event_type": "identify",
                "user_id": scenario.me(who),
                "anonymous_id": f"{scenario.me(who)}-{number}",
                "traits": {f"trait_{number}": number, "seen": [number], "logins": {"$add": 1}},
            },
        )

    threads = [threading.Thread(target=identify, args=(number,)) for number in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    people = {who: scenario.person("user_id", scenario.me(who)) for who in ("anna", "bert")}
    assert people["anna"]["profile_id"] != people["bert"]["profile_id"]
    for offset, who in enumerate(("anna", "bert")):
        numbers = range(offset, 64, 2)
        traits = scenario.traits(people[who])
        assert {name for name in traits if name.startswith("trait_")} == {f"trait_{number}" for number in numbers}
        assert sorted(traits["seen"]) == list(numbers)
        assert traits["logins"] == 32
        assert people[who]["figures"]["events"] == 32


def test_sharp_s_and_double_s_are_two_mail_addresses(scenario):
    scenario.backend(user_id=scenario.me("one"), email=scenario.mail("wei\u00df"))
    scenario.backend(user_id=scenario.me("two"), email=scenario.mail("weiss"))
    assert scenario.apart(("user_id", scenario.me("one")), ("user_id", scenario.me("two")))


@pytest.mark.parametrize(
    ("kind", "value"), [("email", "\u3316" * 480 + "@example.com"), ("email_hash", "\u0130" * 500)]
)
def test_a_value_that_grows_beyond_the_limit_when_it_is_compared_links_nobody(scenario, kind, value):
    scenario.backend(user_id=scenario.me("anna"), identifiers={kind: [value]})
    kinds = {identity["kind"] for identity in scenario.person("user_id", scenario.me("anna"))["identities"]}
    assert kinds == {"user_id"}


def test_a_browser_cannot_join_two_known_people_by_what_back_ends_linked_to_each(scenario):
    scenario.backend(user_id=scenario.me("anna"), anonymous_id=scenario.me("laptop"))
    scenario.backend(contact_id=scenario.me("bert"), instance_id=scenario.me("chat"))
    scenario.browser(anonymous_id=scenario.me("laptop"), instance_id=scenario.me("chat"))
    assert scenario.apart(("user_id", scenario.me("anna")), ("contact_id", scenario.me("bert")))
