"""The stories of the five documents, in canonical fields where a dialect does not exist yet."""

from trackway.client import calc_group


def test_pact_an_anonymous_visitor_becomes_a_contact_with_their_history(scenario):
    visitor, contact = scenario.me("anon-7f3a"), scenario.me("contact")
    page = {"event_type": "page_view", "distinct_id": visitor, "url": "https://acme.com/pricing",
            "referrer": "https://google.com", "properties": {"plan_viewed": "growth"}}  # fmt: skip
    scenario.pact(page, key="pact_web")
    assert scenario.person("anonymous_id", visitor)["identified"] is False
    scenario.pact({"event_type": "form_submit", "distinct_id": visitor, "contact_id": contact})
    profile = scenario.person("contact_id", contact)
    assert scenario.what(profile) == ["page_view", "form_submit"]
    assert profile["identified"] is True


def test_pact_an_event_with_an_account_shows_on_the_contact_and_counts_its_account(scenario):
    event = {"event_type": "download_pdf", "distinct_id": scenario.me("d"), "contact_id": scenario.me("c"),
             "account_id": scenario.me("acme")}  # fmt: skip
    scenario.pact(event)
    (account,) = scenario.person("contact_id", scenario.me("c"))["accounts"]
    assert account["account_id"] == scenario.me("acme")
    assert account["current"] is True


def test_tracardi_a_second_visit_with_the_profile_id_of_the_first_is_the_same_person(scenario):
    scenario.browser(session_id=scenario.me("visit-1"), event_type="page-view")
    issued = scenario.person("session_id", scenario.me("visit-1"))["profile_id"]
    scenario.browser(session_id=scenario.me("visit-2"), identifiers={"profile_id": issued}, event_type="purchase-order")
    assert scenario.what(scenario.person("session_id", scenario.me("visit-1"))) == ["page-view", "purchase-order"]


def test_tracardi_a_coupon_without_a_profile_is_attached_later(scenario):
    scenario.backend(event_type="coupon-received", instance_id=scenario.me("voucher"))
    assert scenario.person("instance_id", scenario.me("voucher"))["identified"] is False
    scenario.backend(event_type="coupon-owner", instance_id=scenario.me("voucher"), user_id=scenario.me("anna"))
    assert scenario.what(scenario.person("user_id", scenario.me("anna"))) == ["coupon-received", "coupon-owner"]


def test_tracify_a_purchase_joins_by_the_hashed_address_and_brings_its_revenue(scenario):
    laptop = scenario.me("laptop")
    scenario.browser(anonymous_id=laptop, event_type="productview", occurred_at=scenario.at(0))
    scenario.browser(
        anonymous_id=laptop, email=scenario.mail("jane"), event_type="newsletter", occurred_at=scenario.at(1)
    )
    scenario.backend(
        event_type="purchase",
        occurred_at=scenario.at(2),
        email_hash=calc_group(scenario.mail("jane")),
        properties={"order_id": scenario.me("o"), "amount": "100.00", "currency": "EUR"},
    )
    profile = scenario.person("anonymous_id", scenario.me("laptop"))
    assert scenario.what(profile) == ["productview", "newsletter", "purchase"]
    assert profile["figures"]["revenue"] == {"EUR": 100.0}


def test_tracify_a_batch_without_a_mail_hash_is_only_likened(scenario):
    address, browser = "203.0.113.77", "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0"
    event = {"event_type": "page_view", "anonymous_id": scenario.me("laptop")}
    scenario.send("web", event, **{"user-agent": browser, "x-forwarded-for": address})
    scenario.backend(
        event_type="purchase", identifiers={"session_hash": calc_group(f"{address}|{browser}")},
        properties={"order_id": scenario.me("o")},
    )  # fmt: skip
    profile = scenario.person("anonymous_id", scenario.me("laptop"))
    assert scenario.what(profile) == ["page_view"]
    assert any(suggested["confidence"] <= 0.5 for suggested in profile["suggested"])


def test_clarm_a_conversation_before_the_sign_in_belongs_to_whoever_signs_in(scenario):
    visitor, session = scenario.me("v_9f2c"), scenario.me("s_1")
    for number, said in enumerate(("Hello", "What does it cost?")):
        scenario.browser(
            anonymous_id=visitor, session_id=session, event_type="message_sent", properties={"message": said},
            occurred_at=scenario.at(number),
        )  # fmt: skip
    scenario.browser(
        anonymous_id=visitor, session_id=session, event_type="identify", email=scenario.mail("jane"),
        traits={"name": "Jane Smith", "company": "Acme Inc", "plan": "enterprise"}, occurred_at=scenario.at(5),
    )  # fmt: skip
    profile = scenario.person("email", scenario.mail("jane"))
    assert profile["name"] == "Jane Smith"
    assert scenario.what(profile) == ["message_sent", "message_sent", "identify"]


def test_orbee_a_chat_lead_after_the_browsers_event_is_that_visitor(scenario):
    chat = scenario.me("chat-991")
    scenario.browser(anonymous_id=scenario.me("shopper"), instance_id=chat, event_type="chat_started")
    scenario.backend(instance_id=chat, event_type="chat_complete", email=scenario.mail("lead"))
    assert scenario.what(scenario.person("anonymous_id", scenario.me("shopper"))) == ["chat_started", "chat_complete"]


def test_orbee_a_chat_lead_before_the_browsers_event_is_that_visitor_too(scenario):
    chat = scenario.me("chat-992")
    scenario.backend(instance_id=chat, event_type="chat_complete", email=scenario.mail("lead"))
    scenario.settle()
    scenario.browser(anonymous_id=scenario.me("shopper"), instance_id=chat, event_type="chat_started")
    assert scenario.same(("anonymous_id", scenario.me("shopper")), ("email", scenario.mail("lead")))


def test_orbee_a_call_without_a_browser_is_enriched_by_later_events_of_the_call(scenario):
    call = scenario.me("call-1")
    scenario.backend(instance_id=call, event_type="call_started")
    scenario.backend(instance_id=call, event_type="call_complete", phone="+4930555010", traits={"interest": "SUV"})
    profile = scenario.person("instance_id", call)
    assert scenario.what(profile) == ["call_started", "call_complete"]
    assert scenario.traits(profile)["interest"] == "SUV"
    assert {identity["kind"] for identity in profile["identities"]} == {"instance_id", "phone"}
