-- Consent: how many events of each rule were stored, in full or anonymously, in a day, a week and a month up to now.
SELECT
    consent_rule AS rule,
    stored_as,
    countIf(received_at >= fromUnixTimestamp64Milli({day_from:Int64}, 'UTC')) AS day,
    countIf(received_at >= fromUnixTimestamp64Milli({week_from:Int64}, 'UTC')) AS week,
    count() AS month
FROM events
WHERE workspace = {workspace:String}
    AND received_at >= fromUnixTimestamp64Milli({month_from:Int64}, 'UTC')
GROUP BY rule, stored_as
