-- How many sessions began in a span of time, and what they add up to.
SELECT
    count() AS sessions,
    countIf(bounce) AS bounces,
    sum(ended - started) AS duration_ms,
    sum(engaged_ms) AS total_engaged_ms,
    sum(page_views) AS total_page_views
FROM (
/* sessions */
)
WHERE started >= {started_from:Int64} AND started < {started_below:Int64}
