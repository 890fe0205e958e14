-- What became of those of these events that are not stored; that a row was replaced is not the last word on it.
SELECT
    toString(event_id) AS id,
    outcome,
    reason
FROM outcomes
WHERE workspace = {workspace:String}
    AND event_id IN {ids:Array(UUID)}
    AND reason != 'replaced'
