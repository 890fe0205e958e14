-- Who was there since a moment, last seen first, below a cursor: people by the profile they belong to now.
-- Keys are counted up before they are mapped, so that the mapping costs a row for each key, not for each event.
SELECT
    toString(person) AS profile_text,
    toUnixTimestamp64Milli(max(seen)) AS last_ms
FROM (
    SELECT /* current profile */ AS person, seen
    FROM (
        SELECT profile_key, profile_id, max(occurred_at) AS seen
        FROM events
        WHERE workspace = {workspace:String}
            AND profile_key != toUUID('00000000-0000-0000-0000-000000000000')
            AND bot = ''
            /* filters */
        GROUP BY profile_key, profile_id
    ) AS keys
    /* with current profiles */
)
GROUP BY person
HAVING (last_ms, profile_text) < ({before_ms:Int64}, {before_profile:String})
ORDER BY last_ms DESC, profile_text DESC
LIMIT {limit:UInt32}
