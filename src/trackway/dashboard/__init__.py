"""Station 6a of the road: the pages people look at.

Server-rendered HTML under /app/. Each page asks `trackway.query` the same questions as the API and
has a `.json` twin with the bare answers; the URL is the whole state of what is shown. Scripts only
improve pages that work without them. It computes no figures, and it keeps nothing.
"""
