-- The books by minute of receipt: stored events of each source, below the pipeline's position.
SELECT source, intDiv(toUnixTimestamp64Milli(received_at), 60000) AS minute, count() AS events
FROM events
WHERE workspace = {workspace:String}
    /* filters */
GROUP BY source, minute
