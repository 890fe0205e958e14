-- When sources that have been quiet were last heard of. The books know the minute, so only those
-- minutes are read (the index on received_at leaves out the rest).
SELECT source, max(last_ms) AS last_event_ms
FROM (
    SELECT source, toUnixTimestamp64Milli(max(received_at)) AS last_ms
    FROM events
    WHERE workspace = {workspace:String}
        AND source IN {sources:Array(String)}
        AND toStartOfMinute(received_at) IN {minutes:Array(DateTime('UTC'))}
    GROUP BY source
    UNION ALL
    SELECT source, toUnixTimestamp64Milli(max(received_at)) AS last_ms
    FROM outcomes
    WHERE workspace = {workspace:String}
        AND source IN {sources:Array(String)}
        AND toStartOfMinute(received_at) IN {minutes:Array(DateTime('UTC'))}
    GROUP BY source
)
GROUP BY source
