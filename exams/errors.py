"""Reasons why an action on exams is refused."""

from django.utils.translation import gettext_lazy as _

from chat.errors import NotFound, Refusal


class QuestionIncomplete(Refusal):
    """With `problems`: what is wrong, by the name of the field."""

    code = "question_incomplete"
    words = _("Something is missing or not right yet.")

    def __init__(self, problems: dict[str, list[str]]) -> None:
        super().__init__(str(self.words))
        self.problems = problems


class QuestionTaken(Refusal):
    code = "question_taken"
    words = _("This point has a question with these words already.")


class ExamNotFound(NotFound):
    words = _("This exam does not exist, or it is not open to you.")


class ExamNotOpen(Refusal):
    code = "exam_not_open"
    words = _("This exam is not open now.")


class ExamBegun(Refusal):
    code = "exam_begun"
    words = _("Somebody has begun this exam already: its pass mark stays as it is.")


class NoAttemptLeft(Refusal):
    code = "no_attempt_left"
    words = _("You have used all attempts at this exam.")


class AlreadyPassed(Refusal):
    code = "already_passed"
    words = _("You have passed this exam already.")


class AnotherPaperOpen(Refusal):
    code = "another_paper_open"
    words = _("You have begun another exam. Finish that one first.")


class NoQuestions(Refusal):
    code = "no_questions"
    words = _("There are no accepted questions for this exam yet. Please tell who set it.")


class PaperOver(Refusal):
    code = "paper_over"
    words = _("The time is over, or the paper has been handed in. What was saved before counts.")


class NotAnAnswer(Refusal):
    code = "not_an_answer"
    words = _("This is not an answer to this question.")


class AppealTooLate(Refusal):
    code = "appeal_too_late"
    words = _("An appeal can be made within fourteen days of the result.")


class OwnAppeal(Refusal):
    code = "own_appeal"
    words = _("Somebody else has to decide about your own appeal.")


class SetterSitsNone(Refusal):
    code = "setter_sits_none"
    words = _("You have set this exam, judged it, or can see its answers: you cannot sit it.")


class SatSameExam(Refusal):
    code = "sat_same_exam"
    words = _("You have sat this exam or had this question yourself: somebody else has to decide.")


class TimeLeft(Refusal):
    code = "time_left"
    words = _("The time is not over yet.")


class AppealDecided(Refusal):
    code = "appeal_decided"
    words = _("Somebody else has decided about this appeal already.")
