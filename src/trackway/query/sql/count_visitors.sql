-- How many visitors (people, by the profile they belong to now) and sessions there were since a moment; no bots.
-- A session is the sender's session_id; where it gave none, the events of one visitor with no pause
-- of more than 30 minutes between them. Order of arrival does not matter: it is counted from times.
-- The live page asks this every few seconds. The whole definition (sessions.sql: campaigns, events that
-- join a client's session) gives nearly the same number and takes 3 times as long, 9 without session ids.
WITH /* moved profiles */
SELECT
    countIf(known) AS visitors,
    sum(named + if(empty(times), 0, 1 + arrayCount(pause -> pause > 30 * 60 * 1000, arrayDifference(arraySort(times)))))
        AS sessions
FROM (
    SELECT
        /* person number */ AS person,
        max(visitor_key != '') AS known,
        uniqExactIf(session_id, session_id != '') AS named,
        groupArrayIf(toUnixTimestamp64Milli(occurred_at), session_id = '' AND visitor_key != '') AS times
    FROM events
    WHERE workspace = {workspace:String}
        AND occurred_at >= fromUnixTimestamp64Milli({occurred_from:Int64}, 'UTC')
        AND bot = ''
    GROUP BY person
)
