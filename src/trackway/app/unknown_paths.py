"""What is answered at a path that nobody has: JSON with the nearest one that there is, for pages of any origin too.

Clients of the dialects read JSON out of every answer, and a wrong base address is the first mistake of a
switch from another system.
"""

from difflib import get_close_matches

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trackway.collect.cors import answer_preflight, echo_origin
from trackway.collect.protocols import PROTOCOLS

LONGEST_PATH = 200
PATHS = tuple(dict.fromkeys(route.path for protocol in PROTOCOLS for route in protocol.routes))


async def answer_unknown(request: Request, error: Exception) -> Response:
    """For 404 and 405 outside of the dashboard and the API, which have words of their own."""
    assert isinstance(error, HTTPException)
    path, origin = request.url.path[:LONGEST_PATH], request.headers.get("origin", "")
    said = f"there is no {path}"
    if error.status_code == 405:
        said = f"{path} does not take {request.method[:20]}"
    elif near := get_close_matches(path, PATHS, n=1, cutoff=0.6):
        said += f"; is {near[0]} meant?"
    # A page whose preflight fails is told nothing at all.
    asks = request.method == "OPTIONS" and "access-control-request-method" in request.headers
    cors = answer_preflight(request.headers, ("POST",)) if asks else echo_origin(origin)
    headers = {name.decode(): value.decode("latin-1") for name, value in cors}
    status = 200 if asks else error.status_code
    return JSONResponse({"detail": said}, status, {**(error.headers or {}), **headers})
