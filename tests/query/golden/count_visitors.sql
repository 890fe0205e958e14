-- How many visitors (people, by the profile they belong to now) and sessions there were since a moment; no bots.
-- A session is the sender's session_id; where it gave none, the events of one visitor with no pause
-- of more than 30 minutes between them. Order of arrival does not matter: it is counted from times.
-- The live page asks this every few seconds. The whole definition (sessions.sql: campaigns, events that
-- join a client's session) gives nearly the same number and takes 3 times as long, 9 without session ids.
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
    countIf(known) AS visitors,
    sum(named + if(empty(times), 0, 1 + arrayCount(pause -> pause > 30 * 60 * 1000, arrayDifference(arraySort(times)))))
        AS sessions
FROM (
    SELECT
        if(
    profile_key = toUUID('00000000-0000-0000-0000-000000000000'),
    cityHash64(visitor_key),
    transform(reinterpretAsUInt64(profile_key), moved.1, moved.2, cityHash64(profile_id))
) AS person,
        max(visitor_key != '') AS known,
        uniqExactIf(session_id, session_id != '') AS named,
        groupArrayIf(toUnixTimestamp64Milli(occurred_at), session_id = '' AND visitor_key != '') AS times
    FROM events
    WHERE workspace = {workspace:String}
        AND occurred_at >= fromUnixTimestamp64Milli({occurred_from:Int64}, 'UTC')
        AND bot = ''
    GROUP BY person
)
