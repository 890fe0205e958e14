-- What is stored of one session of a sender's: its span, how many events, and what the newest event says of the visitor.
SELECT
    count() AS events,
    countIf(event_type IN {page_view_types:Array(String)}) AS page_views,
    toUnixTimestamp64Milli(min(occurred_at)) AS first_ms,
    toUnixTimestamp64Milli(max(occurred_at)) AS last_ms,
    toString(argMax(profile_key, occurred_at)) AS profile_key_text,
    argMax(source, occurred_at) AS source,
    argMax(event_type, occurred_at) AS last_type,
    argMax(browser, occurred_at) AS browser,
    argMax(os, occurred_at) AS os,
    argMax(device, occurred_at) AS device,
    argMax(country, occurred_at) AS country,
    argMax(city, occurred_at) AS city,
    argMin(utm_source, occurred_at) AS utm_source,
    argMin(utm_medium, occurred_at) AS utm_medium,
    argMin(utm_campaign, occurred_at) AS utm_campaign,
    argMin(utm_term, occurred_at) AS utm_term,
    argMin(utm_content, occurred_at) AS utm_content
FROM events
WHERE workspace = {workspace:String}
    AND session_id = {session:String}
    AND protocol = {protocol:String}
