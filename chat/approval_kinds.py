"""Names of the approval kinds that `chat.approvals` registers."""

SITE = "chat.site"
FORM_FIELD = "chat.form_field"
QUICK_TOPIC = "chat.quick_topic"
BUSINESS_TEXT = "chat.business_text"
REPLY = "chat.canned_reply"
