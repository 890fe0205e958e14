-- Events stored after a live cursor, in the order of storing. Of the cursor's own millisecond those
-- are new that stand above the mark of their segment; a segment without a mark was not seen at all.
SELECT
    /* event columns */,
    toUnixTimestamp64Milli(stored_at) AS stored_at_ms,
    log_segment,
    log_record,
    log_index
FROM events
WHERE workspace = {workspace:String}
    AND stored_at >= fromUnixTimestamp64Milli({stored_at:Int64}, 'UTC')
    AND (
        stored_at > fromUnixTimestamp64Milli({stored_at:Int64}, 'UTC')
        OR toUInt64(log_record) * 65536 + log_index
            >= transform(log_segment, {marked_segments:Array(UInt64)}, {marked_next:Array(UInt64)}, toUInt64(0))
    )
ORDER BY stored_at, log_segment, log_record, log_index
LIMIT {limit:UInt32}
