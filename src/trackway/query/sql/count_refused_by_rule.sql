-- Consent: how many events each rule kept out in a day, a week and a month up to now. Their detail begins with the rule.
SELECT
    splitByString(': ', detail)[1] AS rule,
    countIf(received_at >= fromUnixTimestamp64Milli({day_from:Int64}, 'UTC')) AS day,
    countIf(received_at >= fromUnixTimestamp64Milli({week_from:Int64}, 'UTC')) AS week,
    count() AS month
FROM outcomes
WHERE workspace = {workspace:String}
    AND reason = 'no_consent'
    AND received_at >= fromUnixTimestamp64Milli({month_from:Int64}, 'UTC')
GROUP BY rule
