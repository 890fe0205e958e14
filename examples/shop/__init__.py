"""The sample shop of `make demo`: a small real shop with the snippet, and a month of its history.

`catalogue`, `cart`, `pages` and `site` are the shop; `crowd`, `journeys` and `history` make up
visitors who were never there; `sending` posts the history; `demo` runs it all beside a Trackway server.
"""
