-- What the newest event of a profile that was never linked says of who it was.
SELECT anonymous_id, instance_id, session_id
FROM events
WHERE workspace = {workspace:String}
    AND profile_key = {key:UUID}
ORDER BY occurred_at DESC
LIMIT 1
