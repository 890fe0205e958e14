"""The checker of the accounts is itself checked: a fault that it cannot see would prove nothing."""

from collections import Counter
from pathlib import Path

import pytest

from trackway.testing.ledger import Ledger, check_accounts, read_ledger


def make_ledger() -> Ledger:
    names = {f"event-{n}" for n in range(50)}
    return Ledger(sent=names | {"unanswered", "refused"}, acked=set(names), rejected={"refused"})


def store_all(ledger: Ledger) -> Counter[str]:
    return Counter(dict.fromkeys(ledger.acked, 1))


def test_accounts_that_agree_are_accepted() -> None:
    ledger = make_ledger()
    check_accounts(ledger, store_all(ledger)).require()


def test_an_event_without_an_answer_may_be_stored_or_not() -> None:
    ledger = make_ledger()
    check_accounts(ledger, store_all(ledger) + Counter(["unanswered"])).require()


@pytest.mark.parametrize("number", range(0, 50, 7))
def test_one_dropped_event_is_noticed(number: int) -> None:
    ledger = make_ledger()
    stored = store_all(ledger)
    del stored[f"event-{number}"]
    with pytest.raises(AssertionError, match=f"1 lost, such as event-{number}"):
        check_accounts(ledger, stored).require()


@pytest.mark.parametrize("number", range(0, 50, 7))
def test_one_doubled_event_is_noticed(number: int) -> None:
    ledger = make_ledger()
    with pytest.raises(AssertionError, match=f"1 doubled, such as event-{number}"):
        check_accounts(ledger, store_all(ledger) + Counter([f"event-{number}"])).require()


def test_an_event_that_nobody_sent_is_noticed() -> None:
    ledger = make_ledger()
    with pytest.raises(AssertionError, match="1 ghosts, such as from nowhere"):
        check_accounts(ledger, store_all(ledger) + Counter(["from nowhere"])).require()


def test_a_rejected_event_that_is_stored_is_noticed() -> None:
    ledger = make_ledger()
    with pytest.raises(AssertionError, match="1 rejected_yet_stored, such as refused"):
        check_accounts(ledger, store_all(ledger) + Counter(["refused"])).require()


def test_an_acknowledged_event_with_another_outcome_is_not_lost() -> None:
    ledger = make_ledger()
    stored = store_all(ledger)
    del stored["event-3"]
    check_accounts(ledger, stored, elsewhere=["event-3"]).require()


def test_ledgers_of_several_clients_are_read_as_one_and_a_torn_line_counts_as_not_written(tmp_path: Path) -> None:
    (tmp_path / "a-0.jsonl").write_text('{"sent": ["1", "2"]}\n{"acked": ["1"], "rejected": ["2"]}\n')
    (tmp_path / "a-1.jsonl").write_text('{"sent": ["3"]}\n{"acked": ["3')
    ledger = read_ledger(tmp_path)
    assert (ledger.sent, ledger.acked, ledger.rejected) == ({"1", "2", "3"}, {"1"}, {"2"})
