-- Who an event is about: what its sender said of the person, the id made of it, and how consent let it be stored.
-- profile_key never changes, profile_id is what it belonged to when the row was stored or last squashed
-- (docs/reference/store.md, "People").
ALTER TABLE events {on_cluster}
    ADD COLUMN IF NOT EXISTS identifiers_text String DEFAULT '{{}}' AFTER business_key,
    ADD COLUMN IF NOT EXISTS traits_text String DEFAULT '{{}}' AFTER identifiers_text,
    ADD COLUMN IF NOT EXISTS account_traits_text String DEFAULT '{{}}' AFTER traits_text,
    ADD COLUMN IF NOT EXISTS consent_text String DEFAULT '{{}}' AFTER account_traits_text,
    ADD COLUMN IF NOT EXISTS weak_key String AFTER visitor_key,
    ADD COLUMN IF NOT EXISTS profile_key UUID AFTER weak_key,
    ADD COLUMN IF NOT EXISTS profile_id UUID DEFAULT profile_key AFTER profile_key,
    ADD COLUMN IF NOT EXISTS consent_rule LowCardinality(String) AFTER profile_id,
    ADD COLUMN IF NOT EXISTS stored_as LowCardinality(String) DEFAULT 'full' AFTER consent_rule,
    ADD COLUMN IF NOT EXISTS revenue Decimal(18, 4) AFTER stored_as,
    ADD COLUMN IF NOT EXISTS currency LowCardinality(String) AFTER revenue,
    ADD INDEX IF NOT EXISTS bloom_profile_key profile_key TYPE bloom_filter(0.01) GRANULARITY 1,
    ADD INDEX IF NOT EXISTS bloom_account_id account_id TYPE bloom_filter(0.01) GRANULARITY 1,
    ADD INDEX IF NOT EXISTS bloom_weak_key weak_key TYPE bloom_filter(0.01) GRANULARITY 1
