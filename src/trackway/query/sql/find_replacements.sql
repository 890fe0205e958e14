-- When a stored event was replaced by what a replay made of it, and where its earlier rows stood in the log.
SELECT
    toUnixTimestamp64Milli(stored_at) AS stored_at_ms,
    log_segment,
    log_record,
    log_index
FROM outcomes
WHERE workspace = {workspace:String}
    AND event_id = {event_id:UUID}
    AND reason = 'replaced'
ORDER BY stored_at, log_segment, log_record, log_index
