-- The books: how many events of each source were received and not stored, by outcome and reason,
-- below the pipeline's position.
SELECT source, outcome, reason, count() AS events
FROM outcomes
WHERE workspace = {workspace:String}
    AND log_segment <= {newest_segment:UInt64}
    AND log_record < transform(log_segment, {open_segments:Array(UInt64)}, {open_records:Array(UInt64)}, toUInt64(4294967296))
GROUP BY source, outcome, reason
