-- Who may be the same person as a profile: others that came from the same address and browser on the same day.
-- `fewest_sharers` is how many had the same hash: the more, the less it says.
SELECT
    toString(key) AS profile_key_text,
    sum(times) AS events,
    max(last_ms) AS last_seen_ms,
    min(sharers) AS fewest_sharers,
    count() AS hashes
FROM (
    SELECT
        weak_key,
        profile_key AS key,
        count() AS times,
        toUnixTimestamp64Milli(max(occurred_at)) AS last_ms,
        count() OVER (PARTITION BY weak_key) AS sharers
    FROM events
    WHERE workspace = {workspace:String}
        AND toDate(occurred_at) BETWEEN toDate(fromUnixTimestamp64Milli({first_ms:Int64}, 'UTC'))
            AND toDate(fromUnixTimestamp64Milli({last_ms:Int64}, 'UTC'))
        AND profile_key != toUUID('00000000-0000-0000-0000-000000000000')
        AND weak_key IN {weak_keys:Array(String)}
    GROUP BY weak_key, profile_key
)
WHERE key NOT IN {keys:Array(UUID)}
GROUP BY key
ORDER BY fewest_sharers, hashes DESC, last_seen_ms DESC, profile_key_text
LIMIT {limit:UInt32}
