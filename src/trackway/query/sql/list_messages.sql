-- The newest events of a person that belong to a conversation, newest first.
SELECT
    /* event columns */,
    log_segment,
    log_record,
    log_index
FROM events
WHERE workspace = {workspace:String}
    AND event_type IN {message_types:Array(String)}
    AND (instance_id != '' OR session_id != '')
    /* filters */
ORDER BY occurred_at DESC, event_id DESC
LIMIT {limit:UInt32}
