-- The newest hashes of address and browser of a profile, and the days between which they are of use.
SELECT
    weak_key,
    toUnixTimestamp64Milli(min(occurred_at)) AS first_ms,
    toUnixTimestamp64Milli(max(occurred_at)) AS last_ms
FROM events
WHERE workspace = {workspace:String}
    AND weak_key != ''
    /* filters */
GROUP BY weak_key
ORDER BY last_ms DESC
LIMIT {limit:UInt32}
