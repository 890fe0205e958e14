-- The sessions that began in a span of time, newest first, below a cursor; texts of their events come
-- from list_session_events, so that this one carries only what cutting needs.
SELECT
    toString(person) AS person_text,
    session,
    rebuilt,
    started,
    ended,
    events,
    page_views,
    conversions,
    engaged_ms,
    bounce,
    revenue,
    UUIDNumToString(entry_id) AS entry,
    UUIDNumToString(exit_id) AS exit,
    if(has_campaign, UUIDNumToString(campaign_id), '') AS campaign
FROM (
/* sessions */
)
WHERE started >= {started_from:Int64}
    AND (started, session, person_text) < ({before_ms:Int64}, {before_session:String}, {before_person:String})
ORDER BY started DESC, session DESC, person_text DESC
LIMIT {limit:UInt32}
