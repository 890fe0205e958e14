"""Who turns out to be whom."""

import pytest

from trackway.client import calc_group


def test_a_visitor_without_a_name_has_a_profile_of_their_own(scenario):
    scenario.browser(anonymous_id=scenario.me("laptop"))
    profile = scenario.person("anonymous_id", scenario.me("laptop"))
    assert profile["identified"] is False
    assert profile["figures"]["events"] == 1
    assert profile["name"].startswith("Visitor ")


def test_nobody_is_found_by_an_id_that_was_never_seen(scenario):
    assert scenario.find("anonymous_id", scenario.me("never")) is None


def test_pages_seen_before_a_login_belong_to_whoever_logged_in(scenario):
    laptop = scenario.me("laptop")
    scenario.browser(anonymous_id=laptop)
    scenario.browser(anonymous_id=laptop, url="https://shop.example/pricing")
    scenario.settle()
    scenario.browser(anonymous_id=laptop, user_id=scenario.me("anna"), event_type="login")
    assert scenario.what(scenario.person("user_id", scenario.me("anna"))) == ["page_view", "page_view", "login"]


def test_pages_seen_after_a_login_belong_to_whoever_logged_in(scenario):
    laptop = scenario.me("laptop")
    scenario.browser(anonymous_id=laptop, user_id=scenario.me("anna"), event_type="login")
    scenario.browser(anonymous_id=laptop)
    assert scenario.what(scenario.person("user_id", scenario.me("anna"))) == ["login", "page_view"]


def test_a_phone_and_a_laptop_of_one_login_are_one_person(scenario):
    for device in ("laptop", "phone"):
        scenario.browser(anonymous_id=scenario.me(device), user_id=scenario.me("anna"))
    assert scenario.same(("anonymous_id", scenario.me("laptop")), ("anonymous_id", scenario.me("phone")))


def test_a_back_end_that_knows_only_the_user_id_adds_to_the_same_person(scenario):
    scenario.browser(anonymous_id=scenario.me("laptop"), user_id=scenario.me("anna"))
    scenario.backend(user_id=scenario.me("anna"), event_type="invoice_paid")
    assert "invoice_paid" in scenario.what(scenario.person("anonymous_id", scenario.me("laptop")))


def test_a_mail_address_joins_a_crm_contact_and_a_login(scenario):
    scenario.backend(contact_id=scenario.me("c"), email=scenario.mail("anna"))
    scenario.backend(user_id=scenario.me("anna"), email=scenario.mail("anna"))
    assert scenario.same(("contact_id", scenario.me("c")), ("user_id", scenario.me("anna")))


def test_capitals_and_blanks_in_a_mail_address_do_not_matter(scenario):
    scenario.backend(user_id=scenario.me("anna"), email=f"  {scenario.mail('Anna').upper()} ")
    assert scenario.same(("email", scenario.mail("anna")), ("user_id", scenario.me("anna")))


def test_a_telephone_number_is_the_same_however_it_is_written(scenario):
    scenario.backend(user_id=scenario.me("anna"), phone="+49 171 555-0101")
    scenario.backend(contact_id=scenario.me("c"), phone="+49 (171) 5550101")
    assert scenario.same(("user_id", scenario.me("anna")), ("contact_id", scenario.me("c")))


def test_a_national_number_is_read_by_the_visitors_country(scenario):
    scenario.backend(user_id=scenario.me("anna"), phone="0171 5550202", context={"time_zone": "Europe/Berlin"},
                     consent={"tracking": "granted"})  # fmt: skip
    assert scenario.same(("user_id", scenario.me("anna")), ("phone", "+491715550202"))


def test_a_form_with_a_mail_address_joins_the_visitor_to_the_contact(scenario):
    scenario.backend(contact_id=scenario.me("c"), email=scenario.mail("anna"))
    scenario.browser(anonymous_id=scenario.me("laptop"), email=scenario.mail("anna"), event_type="form_submit")
    assert scenario.same(("anonymous_id", scenario.me("laptop")), ("contact_id", scenario.me("c")))


def test_traits_named_email_and_phone_count_as_identifiers(scenario):
    scenario.backend(user_id=scenario.me("anna"), traits={"email": scenario.mail("anna"), "phone": "+491715550303"})
    assert scenario.same(("email", scenario.mail("anna")), ("phone", "+491715550303"))


def test_a_hash_of_a_mail_address_finds_whoever_has_the_address_later(scenario):
    digest = calc_group(scenario.mail("anna"))
    scenario.backend(email_hash=digest, event_type="purchase")
    scenario.backend(user_id=scenario.me("anna"), email=scenario.mail("anna"))
    assert "purchase" in scenario.what(scenario.person("user_id", scenario.me("anna")))


def test_a_hash_of_a_mail_address_finds_whoever_had_the_address_before(scenario):
    scenario.backend(user_id=scenario.me("anna"), email=scenario.mail("anna"))
    scenario.backend(email_hash=calc_group(scenario.mail("anna")), event_type="purchase")
    assert "purchase" in scenario.what(scenario.person("user_id", scenario.me("anna")))


def test_the_hash_that_the_ruby_sample_makes_finds_the_same_person(scenario):
    scenario.backend(user_id=scenario.me("anna"), email=scenario.mail("anna"))
    scenario.backend(email_hash=calc_group(scenario.mail("anna"), dropped=4), event_type="purchase")
    assert "purchase" in scenario.what(scenario.person("user_id", scenario.me("anna")))


def test_a_merge_key_of_a_sender_makes_two_profiles_one(scenario):
    for user in ("one", "two"):
        scenario.backend(user_id=scenario.me(user), identifiers={"merge_key": scenario.me("emm")})
    assert scenario.same(("user_id", scenario.me("one")), ("user_id", scenario.me("two")))


def test_a_profile_id_that_we_gave_out_leads_back_to_its_profile(scenario):
    scenario.browser(anonymous_id=scenario.me("laptop"))
    issued = scenario.person("anonymous_id", scenario.me("laptop"))["profile_id"]
    scenario.backend(identifiers={"profile_id": issued}, event_type="from_elsewhere")
    assert "from_elsewhere" in scenario.what(scenario.person("anonymous_id", scenario.me("laptop")))


def test_a_profile_id_that_somebody_made_up_leads_to_nobody(scenario):
    scenario.browser(anonymous_id=scenario.me("laptop"))
    made_up = "25f1c778-f0f0-88e0-a9d5-f6dd1bb67312"
    answer = scenario.server.request(
        "GET", f"/api/v1/profiles/{made_up}", headers={"authorization": f"Bearer {scenario.server.admin_token}"}
    )
    assert answer.status == 404
    assert answer.json["error"]["reason"] == "unknown_person"


def test_an_event_with_nothing_but_a_session_id_has_a_profile_by_it(scenario):
    scenario.backend(session_id=scenario.me("visit"))
    assert scenario.person("session_id", scenario.me("visit"))["figures"]["events"] == 1


def test_a_chain_of_identifiers_is_one_person_in_whatever_order_it_is_told(scenario):
    told = [
        {"user_id": scenario.me("u"), "email": scenario.mail("x")},
        {"contact_id": scenario.me("c"), "email": scenario.mail("x")},
        {"anonymous_id": scenario.me("a"), "user_id": scenario.me("u")},
        {"anonymous_id": scenario.me("a"), "instance_id": scenario.me("chat")},
    ]
    for event in reversed(told):
        scenario.backend(**event)
        scenario.settle()
    ends = [("contact_id", scenario.me("c")), ("instance_id", scenario.me("chat")), ("user_id", scenario.me("u"))]
    assert scenario.same(*ends)


def test_two_profiles_that_turn_out_to_be_one_keep_both_histories(scenario):
    scenario.backend(user_id=scenario.me("u"), event_type="first", occurred_at=scenario.at(1))
    scenario.backend(contact_id=scenario.me("c"), event_type="second", occurred_at=scenario.at(2))
    scenario.settle()
    scenario.backend(
        user_id=scenario.me("u"), contact_id=scenario.me("c"), event_type="third", occurred_at=scenario.at(3)
    )
    assert scenario.what(scenario.person("user_id", scenario.me("u"))) == ["first", "second", "third"]


def test_every_id_a_profile_ever_had_leads_to_it(scenario):
    scenario.browser(anonymous_id=scenario.me("laptop"))
    old = scenario.person("anonymous_id", scenario.me("laptop"))["profile_id"]
    scenario.browser(anonymous_id=scenario.me("laptop"), user_id=scenario.me("anna"))
    new = scenario.person("user_id", scenario.me("anna"))
    assert new["profile_id"] != old
    assert old in new["ids"]
    assert scenario.server.api(f"profiles/{old}")["profile_id"] == new["profile_id"]


def test_events_show_the_profile_they_belong_to_now(scenario):
    scenario.browser(anonymous_id=scenario.me("laptop"))
    scenario.settle()
    scenario.browser(anonymous_id=scenario.me("laptop"), user_id=scenario.me("anna"))
    profile = scenario.person("user_id", scenario.me("anna"))
    assert {event["profile_id"] for event in scenario.timeline(profile)} == {profile["profile_id"]}


@pytest.mark.parametrize("kind", ["user_id", "contact_id", "anonymous_id", "instance_id"])
def test_every_kind_of_id_can_be_looked_up(scenario, kind):
    scenario.backend(**{kind: scenario.me("x")})
    assert scenario.person(kind, scenario.me("x"))["figures"]["events"] == 1


def test_two_visitors_of_one_address_and_browser_are_suggested_and_not_merged(scenario):
    address = {"x-forwarded-for": "198.51.100.7"}
    for device in ("one", "two"):
        event = {"event_type": "page_view", "anonymous_id": scenario.me(device)}
        scenario.send("web", event, **address)
    assert scenario.apart(("anonymous_id", scenario.me("one")), ("anonymous_id", scenario.me("two")))
    profile = scenario.person("anonymous_id", scenario.me("one"))
    other = scenario.person("anonymous_id", scenario.me("two"))["profile_id"]
    (suggested,) = [each for each in profile["suggested"] if each["profile_id"] == other]
    assert 0 < suggested["confidence"] <= 0.5
