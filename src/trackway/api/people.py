"""Routes about people: profiles, look-ups, links and decisions about them."""

from trackway.api.route import ApiRoute

PEOPLE_ROUTES: tuple[ApiRoute, ...] = ()
