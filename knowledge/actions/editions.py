"""The edition of the published knowledge: a number that tells every process whether there are changes to read."""

from django.db.models import F

from chat.protocol import KnowledgeChanged
from chat.realtime.delivery import announce_on_commit
from knowledge.models import Edition


def new_edition() -> int:
    """Return the number of a new edition, which the caller stores in the changed rows in the same transaction.

    The edition row stays locked until the commit, so editions become visible in order: a process that has read
    edition N has read all earlier ones. Consoles are notified on commit.
    """
    if not Edition.objects.filter(pk=1).update(number=F("number") + 1):
        Edition.objects.get_or_create(pk=1)
        Edition.objects.filter(pk=1).update(number=F("number") + 1)
    number = Edition.objects.values_list("number", flat=True).get(pk=1)
    announce_on_commit(KnowledgeChanged(number))
    return number
