-- One row per stored event: a column per field of trackway.event.Event, then the event's place in the log.
-- The partition is the month of storing, so that one batch is one part in one partition: an insert that
-- spans partitions is not atomic. docs/reference/store.md explains every clause.
CREATE TABLE IF NOT EXISTS events {on_cluster}
(
    event_id UUID,
    workspace LowCardinality(String),
    source LowCardinality(String),
    protocol LowCardinality(String),
    channel LowCardinality(String),
    trusted Bool,
    event_type LowCardinality(String),

    occurred_at DateTime64(3, 'UTC'),
    sent_at DateTime64(3, 'UTC'),
    received_at DateTime64(3, 'UTC'),
    time_rule LowCardinality(String),

    anonymous_id String,
    session_id String,
    user_id String,
    contact_id String,
    account_id String,
    instance_id String,
    dedupe_key String,
    dedupe_scope LowCardinality(String),
    business_key String,

    url String,
    referrer String,
    title String,
    properties_text String DEFAULT '{{}}',
    context_text String DEFAULT '{{}}',
    ip String,
    user_agent String,

    bot LowCardinality(String),
    country LowCardinality(String),
    region LowCardinality(String),
    city LowCardinality(String),
    time_zone LowCardinality(String),
    place_rule LowCardinality(String),
    browser LowCardinality(String),
    browser_version LowCardinality(String),
    os LowCardinality(String),
    os_version LowCardinality(String),
    device LowCardinality(String),
    host LowCardinality(String),
    path String,
    referrer_host LowCardinality(String),
    referrer_class LowCardinality(String),
    referrer_name LowCardinality(String),
    utm_source LowCardinality(String),
    utm_medium LowCardinality(String),
    utm_campaign LowCardinality(String),
    utm_term LowCardinality(String),
    utm_content LowCardinality(String),
    click_id_kind LowCardinality(String),
    click_id String,
    visitor_key String,

    log_segment UInt64,
    log_record UInt32,
    log_index UInt16,
    stored_at DateTime64(3, 'UTC'),

    properties JSON(max_dynamic_paths = 0) MATERIALIZED properties_text::JSON(max_dynamic_paths = 0),

    INDEX minmax_stored_at stored_at TYPE minmax GRANULARITY 1,
    INDEX minmax_received_at received_at TYPE minmax GRANULARITY 1,
    INDEX minmax_log_segment log_segment TYPE minmax GRANULARITY 1,
    INDEX bloom_event_id event_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX bloom_anonymous_id anonymous_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX bloom_session_id session_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX bloom_user_id user_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX bloom_contact_id contact_id TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = {merge_tree}
PARTITION BY toYYYYMM(stored_at)
ORDER BY (workspace, toDate(occurred_at), event_type, occurred_at, event_id)
SETTINGS {durable}, min_level_for_wide_part = 1
