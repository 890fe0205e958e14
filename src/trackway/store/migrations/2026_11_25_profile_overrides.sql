-- The profile a key belongs to now, where that has changed since rows were stored. Replaces
-- `events.profile_id` in every question about many people (docs/reference/store.md, "People").
CREATE TABLE IF NOT EXISTS profile_overrides {on_cluster}
(
    workspace LowCardinality(String),
    profile_key UUID,
    profile_id UUID,
    version UInt64
)
ENGINE = {replacing_merge_tree}(version)
ORDER BY (workspace, profile_key)
SETTINGS {durable}
