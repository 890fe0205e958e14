-- When sources that the books do not know were last heard of. They hardly ever have events: the
-- column `source` is read, and the times only where it matches.
SELECT source, max(last_ms) AS last_event_ms
FROM (
    SELECT source, toUnixTimestamp64Milli(max(received_at)) AS last_ms
    FROM events
    WHERE workspace = {workspace:String} AND source IN {sources:Array(String)}
    GROUP BY source
    UNION ALL
    SELECT source, toUnixTimestamp64Milli(max(received_at)) AS last_ms
    FROM outcomes
    WHERE workspace = {workspace:String} AND source IN {sources:Array(String)}
    GROUP BY source
)
GROUP BY source
