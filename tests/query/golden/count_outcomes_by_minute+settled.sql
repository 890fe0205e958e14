-- The books by minute of receipt: events received and not stored, by outcome and reason, below the
-- pipeline's position.
SELECT source, intDiv(toUnixTimestamp64Milli(received_at), 60000) AS minute, outcome, reason, count() AS events
FROM outcomes
WHERE workspace = {workspace:String}
    AND received_at >= fromUnixTimestamp64Milli({received_from:Int64}, 'UTC')
    AND log_segment <= {newest_segment:UInt64}
    AND log_record < transform(log_segment, {open_segments:Array(UInt64)}, {open_records:Array(UInt64)}, toUInt64(4294967296))
GROUP BY source, minute, outcome, reason
