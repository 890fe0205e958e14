-- One row per event that was received and is NOT in `events`: duplicate, dropped or dead-lettered.
-- Together with `events` and what is still in the log it makes the books balance.
CREATE TABLE IF NOT EXISTS outcomes {on_cluster}
(
    event_id UUID,
    workspace LowCardinality(String),
    source LowCardinality(String),
    protocol LowCardinality(String),
    outcome LowCardinality(String),
    reason LowCardinality(String),
    first_event_id String,
    detail String,
    event_type LowCardinality(String),
    received_at DateTime64(3, 'UTC'),

    log_segment UInt64,
    log_record UInt32,
    log_index UInt16,
    stored_at DateTime64(3, 'UTC'),

    INDEX minmax_stored_at stored_at TYPE minmax GRANULARITY 1,
    INDEX minmax_log_segment log_segment TYPE minmax GRANULARITY 1,
    INDEX bloom_event_id event_id TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = {merge_tree}
PARTITION BY toYYYYMM(stored_at)
ORDER BY (workspace, source, received_at, event_id)
SETTINGS {durable}
