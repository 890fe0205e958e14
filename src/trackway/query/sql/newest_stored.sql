-- When was something last stored, and how many rows are there? Answered from part metadata, without
-- reading a row, so it is cheap enough to ask five times a second.
SELECT toUnixTimestamp64Milli(max(stored_at)) AS stored_at_ms, count() AS events
FROM events
