-- How many sessions each of some people ever had.
SELECT toString(person) AS person_text, count() AS sessions
FROM (
/* sessions */
)
GROUP BY person
