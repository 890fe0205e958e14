"""The composition root: the only place where the stations of the road meet.

`supervisor` keeps the processes alive; `server`, `pipeline_process` and `engine_process` are what
they run.
"""
