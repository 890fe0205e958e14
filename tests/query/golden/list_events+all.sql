-- The newest events of a workspace: by time of receipt, then by place in the log, downwards.
-- The engine sorts the key columns first and reads the others only of the rows that are returned.
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
    identifiers_text,
    traits_text,
    account_traits_text,
    consent_text,
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
    weak_key,
    toString(profile_key) AS profile_key_text,
    toString(profile_id) AS profile_id_text,
    consent_rule,
    stored_as,
    reinterpretAsInt64(revenue) AS revenue_parts,
    currency,
    plan_version,
    plan_errors,
    log_segment,
    log_record,
    log_index
FROM events
WHERE workspace = {workspace:String}
    AND event_type = {event_type:String}
    AND positionCaseInsensitiveUTF8(event_type, {type_part:String}) > 0
    AND source = {source:String}
    AND plan_errors != ''
    AND profile_key IN {keys:Array(UUID)}
    AND (account_id = {account:String} OR profile_key IN {keys:Array(UUID)})
    AND occurred_at >= fromUnixTimestamp64Milli({occurred_from:Int64}, 'UTC')
    AND (occurred_at, event_id) < (fromUnixTimestamp64Milli({before_ms:Int64}, 'UTC'), {before_event:UUID})
    AND received_at >= fromUnixTimestamp64Milli({received_from:Int64}, 'UTC')
    AND received_at <= fromUnixTimestamp64Milli({before_ms:Int64}, 'UTC')
    AND (received_at, log_segment, log_record, log_index)
        < (fromUnixTimestamp64Milli({before_ms:Int64}, 'UTC'), {before_segment:UInt64}, {before_record:UInt32}, {before_index:UInt16})
    AND stored_at <= fromUnixTimestamp64Milli({committed_at:Int64}, 'UTC')
    AND (stored_at <= fromUnixTimestamp64Milli({committed_at:Int64}, 'UTC') OR reason IN ('erased', 'expired', 'replaced'))
    AND (log_segment, log_record, log_index) NOT IN (
        SELECT log_segment, log_record, log_index FROM outcomes
        WHERE reason IN ('erased', 'expired', 'replaced') AND stored_at >= now() - INTERVAL 7 DAY)
ORDER BY received_at DESC, log_segment DESC, log_record DESC, log_index DESC
LIMIT {limit:UInt32}
