"""Loads the whole demo, from the bank's first knowledge point until now."""

from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from accounts.models import Staff
from chat.models import Conversation, Site
from demo import editors, exams, library
from demo.bank import PEOPLE
from demo.chat_day import play_day
from demo.clock import clock_set
from demo.knowledge_day import KnowledgeRecorder
from exams.models import Exam

# The age of the bank's first knowledge points.
KNOWLEDGE_AGE = timedelta(days=80)


@dataclass(frozen=True)
class LoadedCounts:
    """The numbers of knowledge points, exam papers and conversations that were created."""

    points: int = 0
    papers: int = 0
    conversations: int = 0


def load(site: Site) -> LoadedCounts:
    """Store the missing parts of the demo and return their numbers. Existing objects are not changed.

    The parts are stored in order of time; a simulated clock is set for all parts that lie in the past. Runs in the
    caller's transaction.
    """
    now = timezone.now()
    is_played = Conversation.objects.filter(site=site).exists()
    if is_played:
        return LoadedCounts(points=library.load_points())
    staff = Staff.objects.in_bulk([person.username for person in PEOPLE], field_name="username")
    editor, supervisor = staff["bian"], staff["zhou"]
    with clock_set(now - KNOWLEDGE_AGE) as clock:
        points = library.load_points()
        papers = 0 if Exam.objects.exists() else exams.hold_exams(staff, clock, now)
    conversations = play_day(site, KnowledgeRecorder())
    editors.change_rule(editor=editor, supervisor=supervisor)
    if points:
        # Use the real time here, not the simulated clock, because requests for approval expire after some days.
        editors.begin_work(editor=editor, supervisor=supervisor)
        editors.request_approvals(
            editor=editor, supervisor=supervisor, administrator=staff["admin"], site=site
        )
    return LoadedCounts(points, papers, conversations)
