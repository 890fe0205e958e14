"""What a set of retention rules would let go, counted before the rules hold."""

from trackway.control.retention import Rule
from trackway.query.privacy import count_beyond
from trackway.testing.installation import Installation


def test_what_a_rule_would_let_go_is_counted_before_it_holds(installation: Installation) -> None:
    now, day = 1_795_000_000_000, 86_400_000
    source = installation.add_source("shop")
    for event_type, ages in {"page_view": (0, 5, 40), "paid": (5, 400)}.items():
        for age in ages:
            installation.store_events(source, [now - age * day], event_type=event_type)

    def count(**days: int) -> dict[str, int]:
        rules = [Rule(event_type.replace("every", "*"), number) for event_type, number in days.items()]
        return count_beyond(installation.store, installation.workspace, rules, now)

    assert count(every=30) == {"page_view": 1, "paid": 1}
    assert count(page_view=3) == {"page_view": 2}
    assert count(every=3, paid=500) == {"page_view": 2}
    assert count(every=1000) == {}
