"""The library's edition: what tells every process that there is something new to read."""

from django.db.models import F

from chat.protocol import KnowledgeChanged
from chat.realtime.delivery import announce_on_commit
from knowledge.models import Edition


def new_edition() -> int:
    """The number of a new edition, in the caller's transaction, to be written to what changed.

    The row stays locked until the commit, so that editions become visible in their order: who has read edition N has
    read all before it. Consoles are told when it commits.
    """
    if not Edition.objects.filter(pk=1).update(number=F("number") + 1):
        Edition.objects.get_or_create(pk=1)
        Edition.objects.filter(pk=1).update(number=F("number") + 1)
    number = Edition.objects.values_list("number", flat=True).get(pk=1)
    announce_on_commit(KnowledgeChanged(number))
    return number
