"""What the customer asks: the words that an answer is looked for, and later learned from."""

from chat.models import AuthorRole, Conversation, Message, MessageKind

# A question is in the last few things they said; what was said long before is another one.
LOOKED_BACK = 8
MAX_CHARACTERS = 400


def question_in(conversation: Conversation, before: int | None = None) -> tuple[str, int]:
    """What the visitor has said since the last answer (that before message `before`, if it is given), and the seq of
    its last message; ("", 0) when they have said nothing. One query."""
    messages = Message.objects.filter(conversation=conversation, kind=MessageKind.TEXT)
    if before is not None:
        messages = messages.filter(seq__lt=before)
    said: list[str] = []
    last = 0
    for role, body, seq in messages.order_by("-seq").values_list("author_role", "body", "seq")[:LOOKED_BACK]:
        if role == AuthorRole.VISITOR:
            said.append(body)
            last = last or seq
        elif said:
            break
    return " ".join(reversed(said))[-MAX_CHARACTERS:], last
