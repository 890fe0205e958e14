-- How many sessions each of some people ever had.
SELECT toString(person) AS person_text, count() AS sessions
FROM (
-- The sessions of a span of time, rebuilt from events by when they occurred (docs/reference/sessions.md).
-- Part of other queries: list_sessions, count_sessions, count_sessions_of_people. Nothing is stored, so a late event changes what it should.
WITH
    (
    SELECT (groupArray(reinterpretAsUInt64(profile_key)), groupArray(cityHash64(current_id)))
    FROM (
        SELECT profile_key, argMax(profile_id, version) AS current_id
        FROM profile_overrides
        WHERE workspace = {workspace:String} AND empty({keys:Array(UUID)})
        GROUP BY profile_key
    )
) AS moved,
    '00000000-0000-0000-0000-000000000000'::UUID AS nobody,
    30 * 60 * 1000 AS idle,
    -- Long before every event: what is that old covers nothing and is followed by a pause.
    toInt64(-1000000000000) AS never,
    told AS (
        SELECT
            if(profile_key != nobody, profile_key, reinterpretAsUUID(sipHash128(visitor_key))) AS own_key,
            -- A key that is named is its person's; of the others a number stands for the profile of now.
            if(
                has({keys:Array(UUID)}, profile_key),
                {people:Array(UUID)}[indexOf({keys:Array(UUID)}, profile_key)],
                reinterpretAsUUID(toUInt128(if(
    profile_key = toUUID('00000000-0000-0000-0000-000000000000'),
    cityHash64(visitor_key),
    transform(reinterpretAsUInt64(profile_key), moved.1, moved.2, cityHash64(profile_id))
)))
            ) AS person,
            session_id,
            if(session_id = '', UUIDToNum(event_id), UUIDToNum(nobody)) AS lone_id,
            toUnixTimestamp64Milli(occurred_at) AS at,
            (at, UUIDToNum(event_id)) AS spot,
            event_type IN {page_view_types:Array(String)} AS is_page,
            event_type IN {conversion_types:Array(String)} AS is_conversion,
            -- Few events carry it, and parsing JSON is what costs here.
            if(
                position(properties_text, '"engaged_ms"') > 0
                    AND JSONType(properties_text, 'engaged_ms') IN ('Int64', 'UInt64', 'Double'),
                toInt64(least(greatest(JSONExtractFloat(properties_text, 'engaged_ms'), 0), {most_engaged:Float64})),
                0
            ) AS engaged,
            toString(currency) AS money,
            reinterpretAsInt64(revenue) AS parts,
            if(
                utm_source = '' AND utm_medium = '' AND utm_campaign = '' AND click_id = '',
                0,
                cityHash64(utm_source, utm_medium, utm_campaign, click_id)
            ) AS said_campaign
        FROM events
        WHERE workspace = {workspace:String}
            AND occurred_at >= fromUnixTimestamp64Milli({occurred_from:Int64}, 'UTC')
            AND occurred_at < fromUnixTimestamp64Milli({occurred_below:Int64}, 'UTC')
            AND bot = ''
            -- Somebody wrote it down of them; they were not there.
            AND event_type NOT IN {record_types:Array(String)}
            -- Strangers without any id are not one visitor.
            AND (session_id != '' OR visitor_key != '' OR profile_key != nobody)
            
    ),
    -- One row for each session that a client named, one for each event outside of these.
    pieces AS (
        SELECT
            person,
            session_id,
            lone_id,
            min(at) AS begun,
            max(at) AS done,
            any(own_key) AS piece_key,
            count() AS piece_events,
            countIf(is_page) AS piece_pages,
            countIf(is_conversion) AS piece_conversions,
            sum(engaged) AS piece_engaged,
            sumMapIf(map(money, parts), parts != 0) AS piece_revenue,
            min(spot) AS first_event,
            max(spot) AS last_event,
            minIf(spot, is_page) AS first_page,
            maxIf(spot, is_page) AS last_page,
            minIf(spot, said_campaign != 0) AS first_campaign,
            max(said_campaign) AS campaign
        FROM told
        GROUP BY person, session_id, lone_id
    ),
    -- Of the client's sessions begun by then, the one that goes on longest.
    covered AS (
        SELECT
            *,
            max(if(session_id = '', (never, ''), (done, session_id))) OVER (PARTITION BY person ORDER BY begun) AS cover
        FROM pieces
    ),
    housed AS (
        SELECT *, multiIf(session_id != '', session_id, begun <= cover.1 + idle, cover.2, '') AS home
        FROM covered
    ),
    paused AS (
        SELECT *, home = '' AND begun - lagInFrame(begun, 1, never) OVER earlier > idle AS after_pause
        FROM housed
        WINDOW earlier AS (
            PARTITION BY person, home ORDER BY begun, lone_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )
    ),
    stretched AS (
        SELECT *, sum(after_pause) OVER earlier AS stretch
        FROM paused
        WINDOW earlier AS (
            PARTITION BY person, home ORDER BY begun, lone_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )
    ),
    -- The last campaign of the events before, without a pause between.
    campaigned AS (
        SELECT *, ifNull(anyLast(nullIf(campaign, 0)) OVER earlier, 0) AS campaign_before
        FROM stretched
        WINDOW earlier AS (
            PARTITION BY person, home, stretch ORDER BY begun, lone_id
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        )
    ),
    cut AS (
        SELECT
            *,
            sum(home = '' AND (after_pause OR (campaign != 0 AND campaign != campaign_before))) OVER earlier AS part
        FROM campaigned
        WINDOW earlier AS (
            PARTITION BY person, home ORDER BY begun, lone_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )
    )
SELECT
    person,
    home = '' AS rebuilt,
    min(begun) AS started,
    max(done) AS ended,
    if(
        rebuilt,
        lower(hex(sipHash128(argMin(piece_key, first_event), started, argMin(campaign, first_event)))),
        home
    ) AS session,
    sum(piece_events) AS events,
    sum(piece_pages) AS page_views,
    sum(piece_conversions) AS conversions,
    sum(piece_engaged) AS engaged_ms,
    page_views = 1 AND engaged_ms < {bounce_below:Int64} AND conversions = 0 AS bounce,
    sumMap(piece_revenue) AS revenue,
    if(page_views > 0, minIf(first_page, piece_pages > 0), min(first_event)).2 AS entry_id,
    if(page_views > 0, maxIf(last_page, piece_pages > 0), max(last_event)).2 AS exit_id,
    countIf(campaign != 0) > 0 AS has_campaign,
    minIf(first_campaign, campaign != 0).2 AS campaign_id
FROM cut
GROUP BY person, home, part

)
GROUP BY person
