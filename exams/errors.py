"""Reasons why an action on exams is refused."""

from django.utils.translation import gettext_lazy as _

from chat.errors import NotFound, Refusal


class QuestionIncomplete(Refusal):
    """Raised for an exam question that fails validation. `problems` holds error messages by field name."""

    code = "question_incomplete"
    http_status = 422
    text = _("Some fields are missing or invalid. Correct them and save again.")

    def __init__(self, problems: dict[str, list[str]]) -> None:
        super().__init__(str(self.text))
        self.problems = problems


class QuestionTaken(Refusal):
    code = "question_taken"
    http_status = 422
    text = _("This knowledge point already has a question with the same wording.")


class ExamNotFound(NotFound):
    text = _("This exam does not exist, or you don't have access to it.")


class ExamNotOpen(Refusal):
    code = "exam_not_open"
    text = _("This exam is not open at the moment.")


class ExamBegun(Refusal):
    code = "exam_begun"
    text = _("The pass mark can't be changed: someone has already started this exam.")


class NoAttemptLeft(Refusal):
    code = "no_attempt_left"
    text = _("You have no attempts left for this exam.")


class AlreadyPassed(Refusal):
    code = "already_passed"
    text = _("You have already passed this exam.")


class AnotherPaperOpen(Refusal):
    code = "another_paper_open"
    text = _("You have another exam in progress. Finish it first.")


class NoQuestions(Refusal):
    code = "no_questions"
    text = _("This exam has no accepted questions yet. Tell the person who set the exam.")


class PaperOver(Refusal):
    code = "paper_over"
    text = _("Time is up, or the paper has been handed in. Answers that were saved earlier still count.")


class NotAnAnswer(Refusal):
    code = "not_an_answer"
    http_status = 422
    text = _("This is not a valid answer to the question. Reload the page and try again.")


class AppealTooLate(Refusal):
    code = "appeal_too_late"
    text = _("You can appeal only within 14 days of the result.")


class OwnAppeal(Refusal):
    code = "own_appeal"
    text = _("You can't decide your own appeal. Someone else has to decide it.")


class SetterMayNotSit(Refusal):
    code = "setter_sits_none"
    text = _("You can't sit this exam, because you set it, decided an appeal in it, or can see its answers.")


class JudgeSatExam(Refusal):
    code = "sat_same_exam"
    text = _("You have sat this exam or answered this question yourself, so someone else has to decide.")


class TimeLeft(Refusal):
    code = "time_left"
    text = _("The time for this exam is not over yet.")


class AppealDecided(Refusal):
    code = "appeal_decided"
    text = _("Someone else has already decided this appeal.")
