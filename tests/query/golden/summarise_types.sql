-- Tracking plan: how many events of each type were received, by whom, the first and the last; the most frequent first,
-- those behind a page's last. `fitting` and `sampled_bytes` say how large the properties are that may be looked at.
SELECT
    event_type,
    count() AS events,
    toUnixTimestamp64Milli(min(received_at)) AS first_ms,
    toUnixTimestamp64Milli(max(received_at)) AS last_ms,
    arraySort(groupUniqArray(20)(source)) AS sources,
    countIf(plan_errors != '') AS marked,
    countIf(length(properties_text) <= {longest:UInt64}) AS fitting,
    sumIf(length(properties_text), length(properties_text) <= {longest:UInt64}) AS sampled_bytes
FROM events
WHERE workspace = {workspace:String}
    
GROUP BY event_type
HAVING {after_events:UInt64} = 0
    OR events < {after_events:UInt64}
    OR (events = {after_events:UInt64} AND event_type > {after_type:String})
ORDER BY events DESC, event_type
LIMIT {limit:UInt32}
