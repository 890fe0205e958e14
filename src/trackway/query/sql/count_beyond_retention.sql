-- Retention: how many events of each type are older than a set of rules lets them be, so that it can be said before the rules hold.
SELECT event_type, count() AS events
FROM events
WHERE workspace = {workspace:String}
    AND transform(toString(event_type), {types:Array(String)}, {below:Array(Int64)}, {other_below:Int64})
        > toUnixTimestamp64Milli(received_at)
GROUP BY event_type
ORDER BY events DESC, event_type
