-- What each of some people has done in all; `people` says whose each of `keys` is.
SELECT
    toString({people:Array(UUID)}[indexOf({keys:Array(UUID)}, profile_key)]) AS profile_text,
    toUnixTimestamp64Milli(min(occurred_at)) AS first_ms,
    toUnixTimestamp64Milli(max(occurred_at)) AS last_ms,
    count() AS events,
    sumMapIf(map(toString(currency), reinterpretAsInt64(revenue)), revenue != 0) AS revenue,
    argMaxIf(country, occurred_at, country != '') AS last_country,
    argMax(source, occurred_at) AS last_source
FROM events
WHERE workspace = {workspace:String}
    AND bot = ''
    
GROUP BY profile_text
