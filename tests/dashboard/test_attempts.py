import pytest

from trackway.control.attempts import FREE_FAILURES, FREE_FAILURES_OF_ADDRESS, LONGEST_WAIT_S, Attempts

HERE, ELSEWHERE = "203.0.113.7", "203.0.113.8"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def attempts(clock: Clock) -> Attempts:
    return Attempts(clock)


def fail(attempts: Attempts, clock: Clock, times: int, account: str = "admin", address: str = HERE) -> None:
    for _ in range(times):
        while (wait := attempts.begin(account, address)) > 0:
            clock.now += wait


def test_the_first_failures_cost_nothing_and_each_later_one_doubles_the_wait(attempts: Attempts, clock: Clock) -> None:
    fail(attempts, clock, FREE_FAILURES)
    waits = []
    for _ in range(4):
        waits.append(attempts.begin("admin", HERE))
        clock.now += waits[-1]
        assert attempts.begin("admin", HERE) == 0
    assert waits == [1, 2, 4, 8]


def test_the_wait_has_an_end(attempts: Attempts, clock: Clock) -> None:
    fail(attempts, clock, 30)
    assert attempts.begin("admin", HERE) <= LONGEST_WAIT_S


def test_an_attempt_during_the_wait_is_not_counted(attempts: Attempts, clock: Clock) -> None:
    fail(attempts, clock, FREE_FAILURES)
    assert [attempts.begin("admin", HERE) for _ in range(5)] == [1] * 5


def test_another_address_may_still_log_in(attempts: Attempts, clock: Clock) -> None:
    fail(attempts, clock, 10)
    assert attempts.begin("admin", ELSEWHERE) == 0


def test_a_right_password_forgets_the_failures_before_it(attempts: Attempts, clock: Clock) -> None:
    fail(attempts, clock, FREE_FAILURES)
    attempts.forgive("admin", HERE)
    assert attempts.begin("admin", HERE) == 0


def test_many_accounts_from_one_address_are_slowed_down_too(attempts: Attempts, clock: Clock) -> None:
    for number in range(FREE_FAILURES_OF_ADDRESS):
        assert attempts.begin(f"user-{number}", HERE) == 0
    assert attempts.begin("another", HERE) > 0


def test_an_ipv6_network_counts_as_one_address(attempts: Attempts) -> None:
    for number in range(FREE_FAILURES):
        assert attempts.begin("admin", f"2001:db8::{number}") == 0
    assert attempts.begin("admin", "2001:db8::ffff") > 0
    assert attempts.begin("admin", "2001:db8:0:1::1") == 0


def test_attempts_at_the_same_moment_are_counted_before_they_are_judged(attempts: Attempts) -> None:
    allowed = [attempts.begin("admin", HERE) == 0 for _ in range(50)]
    assert sum(allowed) == FREE_FAILURES
