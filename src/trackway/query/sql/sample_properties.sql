-- Tracking plan: properties of a sample of events. Which are in it is decided by their ids, one of `steps` of each type.
SELECT
    event_type,
    toUnixTimestamp64Milli(received_at) AS received_at_ms,
    properties_text
FROM events
WHERE workspace = {workspace:String}
    AND has({types:Array(String)}, event_type)
    AND cityHash64(event_id) % transform(event_type, {types:Array(String)}, {steps:Array(UInt64)}, toUInt64(1)) = 0
    AND length(properties_text) <= {longest:UInt64}
    /* filters */
LIMIT {most:UInt64} BY event_type
