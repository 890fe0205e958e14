-- Events, pages and conversions of a person or an account for each day on which there were some (UTC), and
-- how many of the events are what others wrote down.
SELECT
    toUnixTimestamp(toStartOfDay(occurred_at)) * 1000 AS day_ms,
    count() AS events,
    countIf(event_type IN {page_view_types:Array(String)}) AS page_views,
    countIf(event_type IN {conversion_types:Array(String)}) AS conversions,
    countIf(event_type IN {record_types:Array(String)}) AS records
FROM events
WHERE workspace = {workspace:String}
    
GROUP BY day_ms
ORDER BY day_ms
