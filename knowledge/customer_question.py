"""The visitor's current question. Suggestions are searched for it, and the answer that an agent sends is recorded with
it."""

from chat.models import AuthorRole, Conversation, Message, MessageKind

# The current question is looked for only in this many of the latest messages. Older messages belong to an earlier
# question.
MAX_MESSAGES = 8
MAX_CHARACTERS = 400


def question_in(conversation: Conversation, before: int | None = None) -> tuple[str, int]:
    """Return the visitor's last consecutive messages as one text, and the seq of the last of them; ("", 0) if there are
    none.

    Answers that follow these messages do not matter. With `before`, only messages with a smaller seq count. One query.
    """
    messages = Message.objects.filter(conversation=conversation, kind=MessageKind.TEXT)
    if before is not None:
        messages = messages.filter(seq__lt=before)
    texts: list[str] = []
    last = 0
    for role, body, seq in messages.order_by("-seq").values_list("author_role", "body", "seq")[:MAX_MESSAGES]:
        if role == AuthorRole.VISITOR:
            texts.append(body)
            last = last or seq
        elif texts:
            break
    return " ".join(reversed(texts))[-MAX_CHARACTERS:], last
