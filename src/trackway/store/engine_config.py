"""The embedded engine's configuration: two XML files made anew at every start.

Station 4 of the road, inside the engine child. `config.xml` caps memory and keeps an idle engine
quiet; `users.xml` holds the settings every query starts with and the grants that confine the
engine to the database `trackway`. Statements that grants cannot refuse (a scalar `file()`,
INTO OUTFILE) are refused in `statements.py`.

It does not hold the secret: the engine has one user without a password, and only our own HTTP
front, which checks the secret, can reach it.
"""

from pathlib import Path

DATABASE = "trackway"

# Read by clickhouse-connect when it connects, by our own reports of sizes and running queries, and by people.
READABLE_SYSTEM_TABLES = (
    "asynchronous_metrics",
    "columns",
    "data_skipping_indices",
    "databases",
    "disks",
    "errors",
    "events",
    "formats",
    "functions",
    "merges",
    "metrics",
    "mutations",
    "numbers",
    "one",
    "parts",
    "parts_columns",
    "processes",
    "settings",
    "tables",
)

# ENGINE=File or URL would reach outside, so the table engines are named one by one.
TABLE_ENGINES = ("MergeTree", "ReplacingMergeTree", "AggregatingMergeTree", "SummingMergeTree", "Memory", "Join")

RIGHTS = (
    "SHOW, SELECT, INSERT, ALTER TABLE, ALTER VIEW, CREATE DATABASE, CREATE TABLE, CREATE VIEW, "
    "DROP TABLE, DROP VIEW, TRUNCATE, OPTIMIZE, CHECK"
)

# How `properties` is read from its text; docs/reference/store.md says what each does and why.
JSON_SETTINGS = {
    "json_type_escape_dots_in_keys": 1,
    "type_json_skip_duplicated_paths": 1,
    "input_format_try_infer_dates": 0,
    "input_format_try_infer_datetimes": 0,
}

CONFIG = """<clickhouse>
  <timezone>UTC</timezone>
  <max_server_memory_usage>{memory_bytes}</max_server_memory_usage>
  <max_server_memory_usage_to_ram_ratio>0</max_server_memory_usage_to_ram_ratio>
  <mark_cache_size>{mark_cache_bytes}</mark_cache_size>
  <uncompressed_cache_size>0</uncompressed_cache_size>
  <index_mark_cache_size>{mark_cache_bytes}</index_mark_cache_size>
  <max_concurrent_queries>64</max_concurrent_queries>
  <background_pool_size>2</background_pool_size>
  <background_merges_mutations_concurrency_ratio>2</background_merges_mutations_concurrency_ratio>
  <background_schedule_pool_size>2</background_schedule_pool_size>
  <background_common_pool_size>2</background_common_pool_size>
  <background_move_pool_size>1</background_move_pool_size>
  <background_fetches_pool_size>1</background_fetches_pool_size>
  <background_message_broker_schedule_pool_size>1</background_message_broker_schedule_pool_size>
  <background_distributed_schedule_pool_size>1</background_distributed_schedule_pool_size>
  <background_buffer_flush_schedule_pool_size>1</background_buffer_flush_schedule_pool_size>
  <merge_tree>
    <!-- Ten merged-away parts a second otherwise keep their files for eight minutes. -->
    <old_parts_lifetime>{old_parts_seconds}</old_parts_lifetime>
    <!-- A quiet table is otherwise looked at once in five minutes, and an erasure waits for its old files. -->
    <cleanup_delay_period>{cleanup_seconds}</cleanup_delay_period>
    <max_cleanup_delay_period>{cleanup_seconds}</max_cleanup_delay_period>
    <!-- A pool of two threads must always have one left for small merges. -->
    <number_of_free_entries_in_pool_to_lower_max_size_of_merge>2</number_of_free_entries_in_pool_to_lower_max_size_of_merge>
    <number_of_free_entries_in_pool_to_execute_mutation>2</number_of_free_entries_in_pool_to_execute_mutation>
    <number_of_free_entries_in_pool_to_execute_optimize_entire_partition>2</number_of_free_entries_in_pool_to_execute_optimize_entire_partition>
  </merge_tree>
  <compression>
    <!-- Fresh parts are merged again soon: LZ4. What has grown stays: ZSTD. -->
    <case>
      <min_part_size>20000000</min_part_size>
      <min_part_size_ratio>0</min_part_size_ratio>
      <method>zstd</method>
      <level>1</level>
    </case>
  </compression>
  <users_config>{users_file}</users_config>
</clickhouse>
"""

USERS = """<clickhouse>
  <profiles>
    <default>
      <max_threads>{threads}</max_threads>
      <max_memory_usage>{query_memory_bytes}</max_memory_usage>
      <async_insert>0</async_insert>
{json_settings}
      <constraints>
        <dialect><readonly/></dialect>
        <max_memory_usage><max>{memory_bytes}</max></max_memory_usage>
      </constraints>
    </default>
  </profiles>
  <quotas><default/></quotas>
  <users>
    <default>
      <password></password>
      <networks><ip>::1</ip><ip>127.0.0.1</ip></networks>
      <profile>default</profile>
      <quota>default</quota>
      <grants>
{grants}
      </grants>
    </default>
  </users>
</clickhouse>
"""


def list_grants() -> list[str]:
    """The GRANT statements of the engine's only user: its own database, no SOURCES, no SYSTEM."""
    return [
        f"GRANT {RIGHTS} ON {DATABASE}.*",
        *(f"GRANT TABLE ENGINE ON {engine}" for engine in TABLE_ENGINES),
        *(f"GRANT SELECT ON system.{table}" for table in READABLE_SYSTEM_TABLES),
    ]


def write_config(directory: Path, memory_bytes: int, threads: int, old_parts_seconds: int) -> Path:
    """Write config.xml and users.xml into `directory`; returns the path of config.xml."""
    users_file = directory / "users.xml"
    config_file = directory / "config.xml"
    users_file.write_text(
        USERS.format(
            threads=threads,
            memory_bytes=memory_bytes,
            # One query may not take what running inserts and merges need.
            query_memory_bytes=memory_bytes * 3 // 4,
            json_settings="\n".join(f"      <{name}>{value}</{name}>" for name, value in JSON_SETTINGS.items()),
            grants="\n".join(f"        <query>{grant}</query>" for grant in list_grants()),
        )
    )
    config_file.write_text(
        CONFIG.format(
            memory_bytes=memory_bytes,
            mark_cache_bytes=memory_bytes // 20,
            users_file=users_file,
            old_parts_seconds=old_parts_seconds,
            cleanup_seconds=max(1, old_parts_seconds // 2),
        )
    )
    return config_file
