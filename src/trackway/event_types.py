"""Which event types mean what: page views, purchases, conversions.

Vocabulary. Senders choose the names of their events; these are the names that Trackway itself
acts upon, in the spellings that the dialects use. docs/reference/sessions.md lists them.
"""

PAGE_VIEW_TYPES = ("page_view", "page-view", "pageview", "screen_view", "screen-view", "view page")
# Their amount of money is read from the properties.
REVENUE_TYPES = (
    "purchase",
    "order_completed",
    "order-completed",
    "sale_completed",
    "sale-completed",
    "conversion",
)
# One of these in a session, and the visit reached what it was for.
CONVERSION_TYPES = (*REVENUE_TYPES, "goal_achieved")
# What somebody else wrote down of a contact or an account: nobody was there, so it is no visit and scores nothing.
RECORD_TYPES = ("contact_updated", "account_updated", "account_person_added")
# What is said in a chat, by either side, and its window being opened.
MESSAGE_TYPES = (
    *("message_sent", "message-sent", "message_received", "message-received"),
    *("widget_opened", "widget-opened", "widget_closed", "widget-closed"),
    *("start chat", "open chat", "close chat", "complete chat"),
)
