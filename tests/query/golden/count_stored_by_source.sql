-- The books: how many events of each source are stored, below the pipeline's position.
SELECT source, count() AS events
FROM events
WHERE workspace = {workspace:String}
    
GROUP BY source
