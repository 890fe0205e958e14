"""The consent ledger: how a person stands by all that was said, in whatever order it arrived."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from trackway.control.database import State, migrate_state
from trackway.control.privacy_tables import PRIVACY_REQUESTS
from trackway.control.workspaces import FIRST_WORKSPACE, ensure_first_workspace
from trackway.profiles.consent_words import MEASURING, Statement, Topic, resolve
from trackway.profiles.consents import Heard, read_history, read_stands, write_heard
from trackway.profiles.policies import DEFAULT_POLICY, Policy, PolicyError, read_rules
from trackway.profiles.policy_versions import change_policy, list_policy_versions, read_policies
from trackway.profiles.tables import IDENTITIES
from trackway.profiles.withdrawals import queue_withdrawals

TRACKING, EMAIL = Topic("tracking", ""), Topic("email", "")
DEVICE, OTHER, PERSON = b"d" * 16, b"o" * 16, b"p" * 16
NUMBERS = itertools.count()


@pytest.fixture
def state(tmp_path):
    state = State(f"sqlite:///{tmp_path / 'state.db'}")
    migrate_state(state)
    ensure_first_workspace(state)
    yield state
    state.close()


def say(value, at, *nodes, topic=TRACKING, expires_at=0, explicit=False, event_id=""):
    return Heard(
        event_id=event_id or f"event-{next(NUMBERS)}",
        workspace=FIRST_WORKSPACE,
        source="web-1",
        nodes=nodes or (DEVICE,),
        jurisdiction="DE",
        occurred_at=at,
        received_at=at,
        statements=(Statement(topic, value, expires_at, "v1"),),
        proof={"source": "web-1", "ip_hash": "12ab"},
        explicit=explicit,
    )


def tell(state, *heard):
    with state.write() as connection:
        write_heard(connection, heard)


def stand(state, *nodes, now=1_000_000, asked=MEASURING):
    with state.read() as connection:
        found = resolve(read_stands(connection, nodes or (DEVICE,), now), asked)
    return found[0] if found else None


def make_one_person(state, *nodes):
    with state.write() as connection:
        for node in nodes:
            connection.execute(
                IDENTITIES.insert().values(
                    node=node,
                    workspace=FIRST_WORKSPACE,
                    kind="anonymous_id",
                    value=node.decode(),
                    profile=min(nodes),
                    hub=False,
                    version=1,
                )
            )


def test_nobody_said_anything(state):
    assert stand(state) is None


def test_the_latest_statement_counts_whichever_arrived_first(state):
    tell(state, say("withdrawn", 20))
    tell(state, say("granted", 10))

    assert stand(state) == "withdrawn"


def test_on_a_tie_the_withdrawal_wins(state):
    tell(state, say("granted", 10), say("withdrawn", 10), say("granted", 10))

    assert stand(state) == "withdrawn"


def test_a_consent_expires_and_a_withdrawal_does_not(state):
    tell(state, say("granted", 10, expires_at=100), say("withdrawn", 10, topic=EMAIL, expires_at=100))

    assert stand(state, now=99) == "granted"
    assert stand(state, now=100) == "expired"
    assert stand(state, now=100, asked=EMAIL) == "withdrawn"


def test_a_person_stands_by_what_all_their_identifiers_said(state):
    make_one_person(state, DEVICE, PERSON)
    tell(state, say("granted", 10, PERSON))

    assert stand(state, DEVICE) == "granted"
    tell(state, say("withdrawn", 20, DEVICE))
    assert stand(state, PERSON) == "withdrawn"
    assert stand(state, OTHER) is None


def test_a_withdrawal_is_held_against_every_identifier_of_its_event(state):
    tell(state, say("withdrawn", 10, PERSON, DEVICE))

    assert stand(state, DEVICE) == stand(state, PERSON) == "withdrawn"


def test_a_second_person_on_a_device_does_not_undo_the_withdrawal_of_the_first(state):
    tell(state, say("withdrawn", 10, PERSON, DEVICE))
    tell(state, say("granted", 20, OTHER, DEVICE))

    assert stand(state, PERSON) == "withdrawn"
    assert stand(state, OTHER, DEVICE) == "granted"


def test_the_same_batch_again_changes_nothing(state):
    said = [say("granted", 10), say("withdrawn", 20, explicit=True)]
    tell(state, *said)
    tell(state, *said)

    with state.read() as connection:
        history = read_history(connection, [DEVICE])
    assert [row["state"] for row in history] == ["withdrawn", "granted"]


def test_repetitions_are_left_out_of_the_history_and_explicit_statements_are_not(state):
    tell(state, say("granted", 10))
    for at in range(20, 25):
        tell(state, say("granted", at))
    tell(state, say("granted", 30, explicit=True))

    with state.read() as connection:
        history = read_history(connection, [DEVICE])
    assert [row["occurred_at"] for row in history] == [30, 10]


def requests(state):
    with state.read() as connection:
        rows = connection.execute(select(PRIVACY_REQUESTS)).all()
    return sorted((row.kind, bytes(row.profile), row.reason) for row in rows)


def end(state, policy, *heard):
    with state.write() as connection:
        queue_withdrawals(connection, write_heard(connection, heard), lambda workspace: policy)


def test_a_withdrawal_asks_to_anonymise_what_is_stored_where_the_policy_says_so(state):
    rules = [{"id": "eu", "jurisdictions": ["EU"], "mode": "opt_in", "on_withdrawal": "anonymise"}]
    make_one_person(state, DEVICE, PERSON)
    said = say("granted", 5, PERSON), say("withdrawn", 10, PERSON), say("withdrawn", 11, PERSON)
    end(state, Policy(read_rules(rules)), *said)

    assert requests(state) == [("anonymise", DEVICE, "consent to tracking was withdrawn; rule eu")]


def test_a_withdrawal_asks_for_nothing_where_the_policy_keeps_or_another_channel_is_meant(state):
    rules = [{"id": "eu", "jurisdictions": ["EU"], "mode": "opt_in", "on_withdrawal": "erase"}]
    end(state, DEFAULT_POLICY, say("withdrawn", 10))
    end(state, Policy(read_rules(rules)), say("withdrawn", 10, topic=EMAIL))

    assert requests(state) == []


def test_a_withdrawal_may_ask_for_erasure_and_a_later_one_may_ask_again(state):
    rules = [{"id": "all", "jurisdictions": ["*"], "mode": "opt_in", "on_withdrawal": "erase"}]
    policy = Policy(read_rules(rules))
    end(state, policy, say("withdrawn", 10))
    end(state, policy, say("granted", 20))
    end(state, policy, say("withdrawn", 30))

    assert [kind for kind, _, _ in requests(state)] == ["erase", "erase"]


def test_the_history_holds_the_proof_and_no_address(state):
    tell(state, say("granted", 10))

    with state.read() as connection:
        (row,) = read_history(connection, [DEVICE])
    assert bytes(row["proof"]) == b'{"source":"web-1","ip_hash":"12ab","text_version":"v1"}'
    assert (row["jurisdiction"], row["source"]) == ("DE", "web-1")


statements = st.lists(
    st.tuples(
        st.sampled_from(["granted", "withdrawn", "pending", "unknown"]),
        st.integers(0, 5),
        st.sampled_from([(DEVICE,), (PERSON,), (PERSON, DEVICE), (OTHER, DEVICE)]),
        st.sampled_from([TRACKING, MEASURING, EMAIL]),
        st.sampled_from([0, 50]),
    ),
    max_size=8,
)


@settings(max_examples=30, deadline=None)
@given(statements, st.randoms(use_true_random=False), st.integers(1, 4))
def test_the_order_of_arrival_and_the_cut_into_batches_have_no_say(tmp_path_factory, said, random, batch):
    heard = [say(value, at, *nodes, topic=topic, expires_at=ends) for value, at, nodes, topic, ends in said]
    stands = []
    for attempt in range(2):
        state = State(f"sqlite:///{tmp_path_factory.mktemp('order')}/state.db")
        migrate_state(state)
        shuffled = random.sample(heard, len(heard)) if attempt else heard
        for start in range(0, len(shuffled), batch if attempt else 8):
            tell(state, *shuffled[start : start + (batch if attempt else 8)])
        with state.read() as connection:
            stands.append([read_stands(connection, [node], 100) for node in (DEVICE, PERSON, OTHER)])
        state.close()

    assert stands[0] == stands[1]


def test_a_policy_is_put_in_force_and_every_version_is_kept(state):
    rules = [{"id": "all", "jurisdictions": ["*"], "mode": "opt_in", "without_consent": "drop"}]

    assert FIRST_WORKSPACE not in read_policies(state)
    change_policy(state, FIRST_WORKSPACE, rules, "anna", 5)
    change_policy(state, FIRST_WORKSPACE, [{"id": "all", "jurisdictions": ["*"], "mode": "none"}], "ben", 6)

    versions = list_policy_versions(state, FIRST_WORKSPACE)
    assert [(v.version, v.changed_by, v.rules[0].mode) for v in versions] == [
        (2, "ben", "none"),
        (1, "anna", "opt_in"),
        (0, "", "opt_in"),
    ]
    assert read_policies(state)[FIRST_WORKSPACE].rules[0].mode == "none"


def test_a_policy_that_cannot_be_used_changes_nothing(state):
    with pytest.raises(PolicyError):
        change_policy(state, FIRST_WORKSPACE, [{"id": "all"}], "anna", 5)

    assert [v.version for v in list_policy_versions(state, FIRST_WORKSPACE)] == [0]
