"""The tracking plan at the door: what an entry of mode `reject` refuses is refused here, where the sender still listens.

Events of mode `mark` are let in with a warning, which the dialects that have room for one pass on. The pipeline looks
once more: it counts and marks.
"""

from collections.abc import Sequence

import msgspec

from trackway.collect.protocol import Parsed
from trackway.control.plans import Plan
from trackway.event import Event
from trackway.outcome import Reason, Refused, Rejection


def check_plan(parsed: Parsed, plan: Plan) -> Parsed:
    """`parsed` with what the plan refuses as rejections. Refused where one event refuses the whole request."""
    if not plan.answers:
        return parsed
    items: list[Event | Rejection] = list(parsed.items)
    warnings: dict[int, Sequence[str]] = dict(parsed.warnings)
    for index, item in enumerate(parsed.items):
        broken = plan.check(item) if isinstance(item, Event) else None
        if broken is None or broken.entry.mode == "observe":
            continue
        first, *others = broken.violations
        more = f" (and {len(others)} more)" if others else ""
        said = (
            f"{first.message}{more}; version {broken.entry.version} of the tracking plan's {broken.entry.event_type!r}"
        )
        if broken.entry.mode == "reject":
            at = "" if parsed.single else f"events[{index}]."
            rejection = Rejection(reason=Reason.PLAN_VIOLATION, message=said, field=f"{at}{first.path}", index=index)
            if parsed.all_or_nothing:
                raise Refused(rejection)
            items[index] = rejection
        else:
            warnings[index] = (*warnings.get(index, ()), f"{first.path}: {said}")
    return msgspec.structs.replace(parsed, items=items, warnings=warnings)
