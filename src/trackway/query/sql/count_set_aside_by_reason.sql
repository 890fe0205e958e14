-- Diagnostics: how many received events of each source were not stored, by outcome and reason, since a moment.
SELECT source, outcome, reason, count() AS events, toUnixTimestamp64Milli(max(received_at)) AS last_ms
FROM outcomes
WHERE workspace = {workspace:String}
    AND received_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')
GROUP BY source, outcome, reason
ORDER BY events DESC, source, outcome, reason
