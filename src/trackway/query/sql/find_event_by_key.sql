-- The first event that a sender gave this retry key, of one dialect.
SELECT
    /* event columns */
FROM events
WHERE workspace = {workspace:String}
    AND protocol = {protocol:String}
    AND dedupe_key = {key:String}
ORDER BY received_at
LIMIT 1
