-- Consent: how many events each rule kept out in a day, a week and a month up to now. Their detail begins with the rule, where one decided.
SELECT
    if(position(detail, ': ') > 0, splitByString(': ', detail)[1], '') AS rule,
    countIf(received_at >= fromUnixTimestamp64Milli({day_from:Int64}, 'UTC')) AS day,
    countIf(received_at >= fromUnixTimestamp64Milli({week_from:Int64}, 'UTC')) AS week,
    count() AS month
FROM outcomes
WHERE workspace = {workspace:String}
    AND reason IN ('no_consent', 'hold_expired')
    AND received_at >= fromUnixTimestamp64Milli({month_from:Int64}, 'UTC')
GROUP BY rule
