"""The whole demo, from the bank's first point until now."""

from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from accounts.models import Staff
from chat.models import Conversation, Site
from demo import editors, exams, library
from demo.bank import PEOPLE
from demo.chat_day import play_day
from demo.clock import clock_set
from demo.knowledge_day import KnowledgeShelf
from exams.models import Exam

# When the bank began to write down what it knows.
BEGAN = timedelta(days=80)


@dataclass(frozen=True)
class Loaded:
    """How many of each were not there before."""

    points: int = 0
    papers: int = 0
    conversations: int = 0


def load(site: Site) -> Loaded:
    """Stores what is missing of the demo, in the caller's transaction; what somebody has changed stays.

    In the order of time, each at its own time on a clock that is set.
    """
    now = timezone.now()
    is_played = Conversation.objects.filter(site=site).exists()
    if is_played:
        return Loaded(points=library.fill())
    staff = Staff.objects.in_bulk([person.username for person in PEOPLE], field_name="username")
    editor, supervisor = staff["bian"], staff["zhou"]
    with clock_set(now - BEGAN) as clock:
        points = library.fill()
        papers = 0 if Exam.objects.exists() else exams.hold(staff, clock, now)
    conversations = play_day(site, KnowledgeShelf())
    editors.change_rule(editor=editor, supervisor=supervisor)
    if points:
        # Now, and not at the set clock: a request for approval expires after some days.
        editors.begin_work(editor=editor, supervisor=supervisor)
        editors.ask_for_approval(
            editor=editor, supervisor=supervisor, administrator=staff["admin"], site=site
        )
    return Loaded(points, papers, conversations)
