-- What became of an event that was received and not stored; after a replay, the last word on it.
SELECT
    source,
    protocol,
    event_type,
    outcome,
    reason,
    first_event_id,
    detail,
    toUnixTimestamp64Milli(received_at) AS received_at_ms,
    toUnixTimestamp64Milli(stored_at) AS stored_at_ms,
    log_segment,
    log_record,
    log_index
FROM outcomes
WHERE workspace = {workspace:String}
    AND event_id = {event_id:UUID}
ORDER BY outcome = 'dead_lettered', reason IN ('already_stored', 'replaced'), stored_at, log_segment, log_record, log_index
LIMIT 1
