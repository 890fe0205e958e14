-- Which of some profile keys have events.
SELECT DISTINCT toString(profile_key) AS profile_key_text
FROM events
WHERE workspace = {workspace:String}
    /* filters */
