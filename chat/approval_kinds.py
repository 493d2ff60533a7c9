"""Names of the kinds of approval for chat settings. `chat.approvals` registers the kinds."""

SITE = "chat.site"
FORM_FIELD = "chat.form_field"
QUICK_TOPIC = "chat.quick_topic"
BUSINESS_TEXT = "chat.business_text"
REPLY = "chat.canned_reply"
