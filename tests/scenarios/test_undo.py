"""Taking links apart and putting profiles together by hand."""


def anna_on_a_laptop(scenario):
    scenario.browser(anonymous_id=scenario.me("laptop"), event_type="before")
    scenario.settle()
    scenario.browser(anonymous_id=scenario.me("laptop"), user_id=scenario.me("anna"), event_type="login")
    return scenario.person("user_id", scenario.me("anna"))


def test_every_link_says_why_and_by_which_event(scenario):
    profile = anna_on_a_laptop(scenario)
    link = scenario.link_between(profile, "user_id", "anonymous_id")
    assert (link["state"], link["rule"], link["source"]) == ("active", "same_event", "web")
    assert scenario.server.api(f"events/{link['event_id']}")["event"]["event_type"] == "login"


def test_a_link_that_is_undone_splits_the_profile_and_events_follow(scenario):
    profile = anna_on_a_laptop(scenario)
    link = scenario.link_between(profile, "user_id", "anonymous_id")
    scenario.ask("POST", f"edges/{link['edge']}/undo")
    assert scenario.what(scenario.person("anonymous_id", scenario.me("laptop"))) == ["before"]
    assert scenario.what(scenario.person("user_id", scenario.me("anna"))) == ["login"]


def test_a_link_that_is_undone_stays_undone_when_it_is_told_again(scenario):
    profile = anna_on_a_laptop(scenario)
    link = scenario.link_between(profile, "user_id", "anonymous_id")
    scenario.ask("POST", f"edges/{link['edge']}/undo")
    scenario.browser(anonymous_id=scenario.me("laptop"), user_id=scenario.me("anna"), event_type="again")
    assert scenario.apart(("anonymous_id", scenario.me("laptop")), ("user_id", scenario.me("anna")))


def test_an_undo_can_be_taken_back(scenario):
    profile = anna_on_a_laptop(scenario)
    link = scenario.link_between(profile, "user_id", "anonymous_id")
    scenario.ask("POST", f"edges/{link['edge']}/undo")
    scenario.ask("POST", f"edges/{link['edge']}/restore")
    assert scenario.same(("anonymous_id", scenario.me("laptop")), ("user_id", scenario.me("anna")))
    decisions = scenario.link_between(profile, "user_id", "anonymous_id")["decisions"]
    assert [decision["action"] for decision in decisions] == ["undo", "restore"]
    assert {decision["by"] for decision in decisions} == {"admin token"}


def test_a_preview_says_what_an_undo_would_change_and_changes_nothing(scenario):
    profile = anna_on_a_laptop(scenario)
    link = scenario.link_between(profile, "user_id", "anonymous_id")
    preview = scenario.server.api(f"edges/{link['edge']}/preview-undo")
    assert [moved["kind"] for moved in preview["moved"]] == ["anonymous_id"]
    assert scenario.same(("anonymous_id", scenario.me("laptop")), ("user_id", scenario.me("anna")))


def test_two_profiles_can_be_merged_by_hand_and_taken_apart_again(scenario):
    for user in ("anna", "anna2"):
        scenario.backend(user_id=scenario.me(user), event_type=f"of_{user}", traits={user: True})
    a, b = (scenario.person("user_id", scenario.me(user))["profile_id"] for user in ("anna", "anna2"))
    preview = scenario.server.api("profiles/preview-merge", a=a, b=b)
    assert len(preview["profiles"]) == 1
    merged = scenario.ask("POST", "profiles/merge", {"a": a, "b": b})
    assert merged["edge"] == preview["edge"]
    profile = scenario.person("user_id", scenario.me("anna"))
    assert scenario.what(profile) == ["of_anna", "of_anna2"]
    assert scenario.traits(profile) == {"anna": True, "anna2": True}
    scenario.ask("POST", f"edges/{merged['edge']}/undo")
    assert scenario.apart(("user_id", scenario.me("anna")), ("user_id", scenario.me("anna2")))
    assert scenario.traits(scenario.person("user_id", scenario.me("anna"))) == {"anna": True}


def test_two_visitors_who_were_never_linked_can_be_merged_by_hand(scenario):
    for device in ("one", "two"):
        scenario.browser(anonymous_id=scenario.me(device), event_type=f"of_{device}")
    a, b = (scenario.person("anonymous_id", scenario.me(device))["profile_id"] for device in ("one", "two"))
    scenario.ask("POST", "profiles/merge", {"a": a, "b": b})
    assert scenario.what(scenario.person("anonymous_id", scenario.me("two"))) == ["of_one", "of_two"]
    scenario.browser(anonymous_id=scenario.me("one"), user_id=scenario.me("anna"), event_type="login")
    assert scenario.same(("anonymous_id", scenario.me("two")), ("user_id", scenario.me("anna")))


def test_a_profile_cannot_be_merged_with_itself(scenario):
    scenario.backend(user_id=scenario.me("anna"))
    own = scenario.person("user_id", scenario.me("anna"))["profile_id"]
    answer = scenario.server.post("/api/v1/profiles/merge", {"a": own, "b": own}, scenario.server.admin_token)
    assert answer.status == 422
    assert answer.json["error"]["message"] == "both are one profile already"


def test_a_link_that_does_not_exist_cannot_be_undone(scenario):
    answer = scenario.server.post("/api/v1/edges/ffffffffffffffffffff/undo", {}, scenario.server.admin_token)
    assert answer.status == 422
    assert "there is no link" in answer.json["error"]["message"]


def test_an_undone_link_that_another_one_bridges_leaves_one_profile(scenario):
    scenario.backend(user_id=scenario.me("anna"), email=scenario.mail("anna"), contact_id=scenario.me("c"))
    scenario.backend(contact_id=scenario.me("c"), email=scenario.mail("anna"))
    profile = scenario.person("user_id", scenario.me("anna"))
    link = scenario.link_between(profile, "user_id", "email")
    assert scenario.ask("POST", f"edges/{link['edge']}/undo")["moved"] == []
    assert scenario.same(("user_id", scenario.me("anna")), ("email", scenario.mail("anna")))


def test_the_command_line_explains_and_takes_apart(scenario):
    profile = anna_on_a_laptop(scenario)
    explained = scenario.server.run_cli("people", "explain", f"user_id:{scenario.me('anna')}")
    assert profile["profile_id"] in explained
    assert scenario.me("laptop") in explained
    edge = scenario.link_between(profile, "user_id", "anonymous_id")["edge"]
    assert "moves from" in scenario.server.run_cli("people", "unmerge", edge)
    merged = scenario.server.run_cli(
        "people", "preview-merge", f"user_id:{scenario.me('anna')}", f"anonymous_id:{scenario.me('laptop')}"
    )
    assert "a preview, nothing was changed" in merged
    assert "profiles" in scenario.server.run_cli("people", "check")
