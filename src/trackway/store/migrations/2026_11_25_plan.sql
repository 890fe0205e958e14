-- By which version of the tracking plan's entry an event was checked, and what it breaks of it (docs/reference/tracking-plan.md).
ALTER TABLE events {on_cluster}
    ADD COLUMN IF NOT EXISTS plan_version UInt32 AFTER currency,
    ADD COLUMN IF NOT EXISTS plan_errors String AFTER plan_version
