-- When each source was last heard of since a moment, and how many of its events were stored since.
-- A duplicate counts as a sign of life, not as an event.
SELECT source, max(last_ms) AS last_event_ms, sum(events) AS events
FROM (
    SELECT source, toUnixTimestamp64Milli(max(received_at)) AS last_ms, count() AS events
    FROM events
    WHERE workspace = {workspace:String}
        AND received_at >= fromUnixTimestamp64Milli({received_from:Int64}, 'UTC')
    GROUP BY source
    UNION ALL
    SELECT source, toUnixTimestamp64Milli(max(received_at)) AS last_ms, 0 AS events
    FROM outcomes
    WHERE workspace = {workspace:String}
        AND received_at >= fromUnixTimestamp64Milli({received_from:Int64}, 'UTC')
    GROUP BY source
)
GROUP BY source
