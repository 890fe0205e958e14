-- Events stored after a live cursor, in the order of storing. Of the cursor's own millisecond those
-- are new that stand above the mark of their segment; a segment without a mark was not seen at all.
SELECT
    event_id,
    workspace,
    source,
    protocol,
    channel,
    trusted,
    event_type,
    toUnixTimestamp64Milli(occurred_at) AS occurred_at_ms,
    toUnixTimestamp64Milli(sent_at) AS sent_at_ms,
    toUnixTimestamp64Milli(received_at) AS received_at_ms,
    time_rule,
    anonymous_id,
    session_id,
    user_id,
    contact_id,
    account_id,
    instance_id,
    dedupe_key,
    dedupe_scope,
    business_key,
    url,
    referrer,
    title,
    properties_text,
    context_text,
    ip,
    user_agent,
    bot,
    country,
    region,
    city,
    time_zone,
    place_rule,
    browser,
    browser_version,
    os,
    os_version,
    device,
    host,
    path,
    referrer_host,
    referrer_class,
    referrer_name,
    utm_source,
    utm_medium,
    utm_campaign,
    utm_term,
    utm_content,
    click_id_kind,
    click_id,
    visitor_key,
    toUnixTimestamp64Milli(stored_at) AS stored_at_ms,
    log_segment,
    log_record,
    log_index
FROM events
WHERE workspace = {workspace:String}
    AND stored_at >= fromUnixTimestamp64Milli({stored_at:Int64}, 'UTC')
    AND (
        stored_at > fromUnixTimestamp64Milli({stored_at:Int64}, 'UTC')
        OR toUInt64(log_record) * 65536 + log_index
            >= transform(log_segment, {marked_segments:Array(UInt64)}, {marked_next:Array(UInt64)}, toUInt64(0))
    )
ORDER BY stored_at, log_segment, log_record, log_index
LIMIT {limit:UInt32}
