-- Events and visitors (people, by the profile they belong to now) per minute of a span of time, by when they occurred; bots count as events only.
WITH /* moved profiles */
SELECT
    intDiv(toUnixTimestamp64Milli(occurred_at), 60000) AS minute,
    count() AS events,
    uniqExactIf(/* person number */, visitor_key != '' AND bot = '') AS visitors
FROM events
WHERE workspace = {workspace:String}
    AND occurred_at >= fromUnixTimestamp64Milli({occurred_from:Int64}, 'UTC')
    AND occurred_at < fromUnixTimestamp64Milli({occurred_below:Int64}, 'UTC')
    /* filters */
GROUP BY minute
ORDER BY minute
