-- What the first, last and campaign events of listed sessions say; found by day and the bloom filter on event_id.
SELECT
    toString(event_id) AS event_id_text,
    toString(profile_key) AS profile_key_text,
    if(host = '', url, concat(host, path)) AS page,
    utm_source,
    utm_medium,
    utm_campaign,
    click_id_kind,
    referrer_class,
    referrer_name,
    browser,
    os,
    device,
    country,
    city
FROM events
WHERE workspace = {workspace:String}
    AND occurred_at >= fromUnixTimestamp64Milli({occurred_from:Int64}, 'UTC')
    AND occurred_at <= fromUnixTimestamp64Milli({occurred_to:Int64}, 'UTC')
    AND event_id IN {event_ids:Array(UUID)}
