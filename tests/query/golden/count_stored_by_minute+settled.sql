-- The books by minute of receipt: stored events of each source, below the pipeline's position.
SELECT source, intDiv(toUnixTimestamp64Milli(received_at), 60000) AS minute, count() AS events
FROM events
WHERE workspace = {workspace:String}
    AND received_at >= fromUnixTimestamp64Milli({received_from:Int64}, 'UTC')
    AND log_segment <= {newest_segment:UInt64}
    AND log_record < transform(log_segment, {open_segments:Array(UInt64)}, {open_records:Array(UInt64)}, toUInt64(4294967296))
GROUP BY source, minute
