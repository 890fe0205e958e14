"""At which steps of the pipeline a test hurts it."""

from collections.abc import Sequence


def choose_steps(steps: Sequence[str], every: bool) -> list[tuple[int, str]]:
    """Numbers and names of steps.

    Without `every`, of equal steps behind equal steps (one insert after the other, while a row that the store refuses
    is looked for) the first and the last: what lies between is the same with fewer rows.
    """
    places: dict[tuple[str, str], list[int]] = {}
    for number, (before, step) in enumerate(zip(["", *steps], steps, strict=False)):
        places.setdefault((before, step), []).append(number)
    chosen = range(len(steps)) if every else sorted({n for same in places.values() for n in (same[0], same[-1])})
    return [(number, steps[number]) for number in chosen]
