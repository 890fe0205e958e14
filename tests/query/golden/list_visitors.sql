-- Who was there since a moment, last seen first, below a cursor: people by the profile they belong to now.
-- Keys are counted up before they are mapped, so that the mapping costs a row for each key, not for each event.
SELECT
    toString(person) AS profile_text,
    toUnixTimestamp64Milli(max(seen)) AS last_ms
FROM (
    SELECT if(current_id = toUUID('00000000-0000-0000-0000-000000000000'), profile_id, current_id) AS person, seen
    FROM (
        SELECT profile_key, profile_id, max(occurred_at) AS seen
        FROM events
        WHERE workspace = {workspace:String}
            AND profile_key != toUUID('00000000-0000-0000-0000-000000000000')
            AND bot = ''
            
        GROUP BY profile_key, profile_id
    ) AS keys
    LEFT ANY JOIN (
        SELECT profile_key, argMax(profile_id, version) AS current_id
        FROM profile_overrides
        WHERE workspace = {workspace:String}
        GROUP BY profile_key
    ) AS overrides USING (profile_key)
)
GROUP BY person
HAVING (last_ms, profile_text) < ({before_ms:Int64}, {before_profile:String})
ORDER BY last_ms DESC, profile_text DESC
LIMIT {limit:UInt32}
