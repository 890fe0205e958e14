"""What the operator configured and how far the pipeline came: the relational state.

SQLAlchemy 2 Core over SQLite (embedded) or PostgreSQL; one module per concern, tables in
`tables.py`, their history in `migrations/`.
"""
