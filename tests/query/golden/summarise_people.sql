-- What a person or an account has done in all: events, pages, conversions, revenue by currency, first and last seen.
SELECT
    count() AS events,
    countIf(event_type IN {page_view_types:Array(String)}) AS page_views,
    countIf(event_type IN {conversion_types:Array(String)}) AS conversions,
    uniqExact(profile_key) AS identifiers,
    toUnixTimestamp64Milli(min(occurred_at)) AS first_ms,
    toUnixTimestamp64Milli(max(occurred_at)) AS last_ms,
    sumMapIf(map(toString(currency), reinterpretAsInt64(revenue)), revenue != 0) AS revenue,
    argMax(country, occurred_at) AS country,
    argMax(city, occurred_at) AS city,
    argMax(device, occurred_at) AS device,
    argMax(browser, occurred_at) AS browser,
    argMax(os, occurred_at) AS os
FROM events
WHERE workspace = {workspace:String}
    
