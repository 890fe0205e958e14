-- Which of these events are stored, as they are (through the bloom filter on event_id).
SELECT
    /* event columns */,
    log_segment,
    log_record,
    log_index
FROM events
WHERE workspace = {workspace:String}
    AND event_id IN {ids:Array(UUID)}
    AND received_at BETWEEN fromUnixTimestamp64Milli({first_ms:Int64}, 'UTC') AND fromUnixTimestamp64Milli({last_ms:Int64}, 'UTC')
