-- Tracking plan: how many events of each type were received, by whom, the first and the last; the most frequent first.
SELECT
    event_type,
    count() AS events,
    toUnixTimestamp64Milli(min(received_at)) AS first_ms,
    toUnixTimestamp64Milli(max(received_at)) AS last_ms,
    arraySort(groupUniqArray(20)(source)) AS sources,
    countIf(plan_errors != '') AS marked
FROM events
WHERE workspace = {workspace:String}
    /* filters */
GROUP BY event_type
ORDER BY events DESC, event_type
LIMIT {limit:UInt32}
