-- Tracking plan: all that a schema may look at of a sample of events of one type, one of `step` by its id.
SELECT
    toString(event_id) AS event_id,
    properties_text,
    context_text,
    traits_text,
    account_traits_text,
    identifiers_text,
    consent_text
FROM events
WHERE workspace = {workspace:String}
    AND cityHash64(event_id) % {step:UInt64} = 0
    AND length(properties_text) + length(context_text) <= {longest:UInt64}
    
LIMIT {most:UInt64}
