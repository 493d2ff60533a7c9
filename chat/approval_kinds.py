"""The names of the kinds of approval that the chat registers (`chat.approvals`)."""

SITE = "chat.site"
FORM_FIELD = "chat.form_field"
QUICK_TOPIC = "chat.quick_topic"
BUSINESS_TEXT = "chat.business_text"
REPLY = "chat.canned_reply"
