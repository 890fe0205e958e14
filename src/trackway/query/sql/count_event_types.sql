-- How often each event type occurred since a moment, most frequent first.
SELECT event_type, count() AS events, countIf(bot != '') AS bots
FROM events
WHERE workspace = {workspace:String}
    AND occurred_at >= fromUnixTimestamp64Milli({occurred_from:Int64}, 'UTC')
GROUP BY event_type
ORDER BY events DESC, event_type
