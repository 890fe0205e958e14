"""The JSON API under /api/v1: the questions of `trackway.query` over HTTP.

Station 6b of the road. It holds no question of its own and renders no page.
"""
