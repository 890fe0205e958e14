-- The books: how many events of each source are stored, below the pipeline's position.
SELECT source, count() AS events
FROM events
WHERE workspace = {workspace:String}
    AND log_segment <= {newest_segment:UInt64}
    AND log_record < transform(log_segment, {open_segments:Array(UInt64)}, {open_records:Array(UInt64)}, toUInt64(4294967296))
GROUP BY source
