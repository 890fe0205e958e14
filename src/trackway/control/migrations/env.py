"""Alembic's entry: runs the migrations on the engine that `migrate_state` hands over."""

from alembic import context

from trackway.control.tables import METADATA

engine = context.config.attributes["engine"]

with engine.connect().execution_options(trackway_write=True) as connection:
    context.configure(connection=connection, target_metadata=METADATA, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
