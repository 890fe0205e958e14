-- The stored event with this id (through the bloom filter on event_id).
SELECT
    /* event columns */,
    toUnixTimestamp64Milli(stored_at) AS stored_at_ms,
    log_segment,
    log_record,
    log_index
FROM events
WHERE workspace = {workspace:String}
    AND event_id = {event_id:UUID}
ORDER BY stored_at, log_segment, log_record, log_index
LIMIT 1
