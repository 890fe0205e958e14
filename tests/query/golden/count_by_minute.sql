-- Events and visitors (people, by the profile they belong to now) per minute of a span of time, by when they occurred; bots count as events only.
WITH (
    SELECT (groupArray(reinterpretAsUInt64(profile_key)), groupArray(cityHash64(current_id)))
    FROM (
        SELECT profile_key, argMax(profile_id, version) AS current_id
        FROM profile_overrides
        WHERE workspace = {workspace:String}
        GROUP BY profile_key
    )
) AS moved
SELECT
    intDiv(toUnixTimestamp64Milli(occurred_at), 60000) AS minute,
    count() AS events,
    uniqExactIf(if(
    profile_key = toUUID('00000000-0000-0000-0000-000000000000'),
    cityHash64(visitor_key),
    transform(reinterpretAsUInt64(profile_key), moved.1, moved.2, cityHash64(profile_id))
), visitor_key != '' AND bot = '') AS visitors
FROM events
WHERE workspace = {workspace:String}
    AND occurred_at >= fromUnixTimestamp64Milli({occurred_from:Int64}, 'UTC')
    AND occurred_at < fromUnixTimestamp64Milli({occurred_below:Int64}, 'UTC')
    
GROUP BY minute
ORDER BY minute
