"""Routes about everyone who was there."""

from trackway.api.desk import ServerDesk
from trackway.api.parameters import Parameter
from trackway.api.route import PREFIX, Answer, ApiRoute, Values
from trackway.query.visitors import list_visitors


def show_visitors(desk: ServerDesk, values: Values) -> Answer:
    return list_visitors(desk.store, desk.state, desk.workspace, desk.clock(), **values)


VISITOR_ROUTES: tuple[ApiRoute, ...] = (
    ApiRoute(
        f"{PREFIX}/visitors",
        "Everyone who was there, last seen first",
        (
            Parameter("limit", 50, "How many, 1 to 1,000"),
            Parameter("minutes", 0, "Only who was seen in the last so many minutes, at most 43,200; 0 for ever"),
            Parameter("identified", "", "yes: only people who are known by name; no: only the others"),
            Parameter("account", "", "Only people who were seen with the account of this id"),
            Parameter("source", "", "Only events of the source with this id"),
            Parameter("cursor", "", "The field `next` of the page before"),
        ),
        show_visitors,
    ),
)
