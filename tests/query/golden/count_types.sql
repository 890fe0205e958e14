-- Tracking plan: how many events and event types were received, whatever page of the types is shown.
SELECT
    uniqExact(event_type) AS types,
    count() AS events
FROM events
WHERE workspace = {workspace:String}
    
