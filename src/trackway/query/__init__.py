"""Answers to questions: question -> plan -> compile -> run -> answer.

Fifth station of the road. One `.sql` file per query in `sql/`, composed only in `compiler.py`.
Every function takes what it needs (store, state, log, workspace, time) and returns plain dicts of
the API's shapes, so that pages, API and command line give the same answers.
"""
