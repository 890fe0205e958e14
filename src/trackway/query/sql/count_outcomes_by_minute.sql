-- The books by minute of receipt: events received and not stored, by outcome and reason, below the
-- pipeline's position.
SELECT source, intDiv(toUnixTimestamp64Milli(received_at), 60000) AS minute, outcome, reason, count() AS events
FROM outcomes
WHERE workspace = {workspace:String}
    /* filters */
GROUP BY source, minute, outcome, reason
