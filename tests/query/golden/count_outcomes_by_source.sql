-- The books: how many events of each source were received and not stored, by outcome and reason,
-- below the pipeline's position.
SELECT source, outcome, reason, count() AS events
FROM outcomes
WHERE workspace = {workspace:String}
    
GROUP BY source, outcome, reason
