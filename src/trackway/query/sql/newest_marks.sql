-- Where the store ends now: the last millisecond of storing, and the highest place of each segment in it.
SELECT
    toUnixTimestamp64Milli(stored_at) AS stored_at_ms,
    log_segment,
    max((log_record, log_index)) AS mark
FROM events
WHERE stored_at = (SELECT max(stored_at) FROM events)
GROUP BY stored_at, log_segment
