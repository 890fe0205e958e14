-- The pages that a person or an account looked at most.
SELECT host, path, any(title) AS title, count() AS views, toUnixTimestamp64Milli(max(occurred_at)) AS last_ms
FROM events
WHERE workspace = {workspace:String}
    AND event_type IN {page_view_types:Array(String)}
    AND path != ''
    
GROUP BY host, path
ORDER BY views DESC, last_ms DESC, host, path
LIMIT {limit:UInt32}
