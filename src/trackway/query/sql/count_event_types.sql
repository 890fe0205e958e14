-- How often each event type occurred since a moment, most frequent first; and in every row how much all types are together.
SELECT
    event_type,
    count() AS type_events,
    count() OVER () AS types,
    sum(count()) OVER () AS events,
    sum(countIf(bot != '')) OVER () AS bots
FROM events
WHERE workspace = {workspace:String}
    AND occurred_at >= fromUnixTimestamp64Milli({occurred_from:Int64}, 'UTC')
GROUP BY event_type
ORDER BY type_events DESC, event_type
LIMIT {limit:UInt32}
