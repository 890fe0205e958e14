-- The events of a person or an account, newest first by when they occurred, then by id.
SELECT
    /* event columns */,
    log_segment,
    log_record,
    log_index
FROM events
WHERE workspace = {workspace:String}
    /* filters */
ORDER BY occurred_at DESC, event_id DESC
LIMIT {limit:UInt32}
