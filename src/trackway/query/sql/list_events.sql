-- The newest events of a workspace: by time of receipt, then by place in the log, downwards.
-- The engine sorts the key columns first and reads the others only of the rows that are returned.
SELECT
    /* event columns */,
    log_segment,
    log_record,
    log_index
FROM events
WHERE workspace = {workspace:String}
    /* filters */
ORDER BY received_at DESC, log_segment DESC, log_record DESC, log_index DESC
LIMIT {limit:UInt32}
