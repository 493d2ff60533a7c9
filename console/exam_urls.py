"""Included by console.urls: exams, for those who sit them, set them and see what came of them."""

from django.urls import path

from console.views import exam_results, exam_setting, exams

urlpatterns = [
    path("", exams.exams, name="exams"),
    path("<int:pk>/begin", exams.begin, name="exam_begin"),
    path("papers/<int:pk>/", exams.paper, name="exam_paper"),
    path("papers/<int:pk>/answers", exams.answer, name="exam_answer"),
    path("papers/<int:pk>/clock", exams.clock, name="exam_clock"),
    path("papers/<int:pk>/hand-in", exams.hand_in, name="exam_hand_in"),
    path("papers/<int:pk>/appeals", exams.appeal, name="exam_appeal"),
    path("set/", exam_setting.setting, name="exam_setting"),
    path("set/new", exam_setting.exam_new, name="exam_new"),
    path("set/create", exam_setting.exam_create, name="exam_create"),
    path("set/<int:pk>/", exam_setting.exam_edit, name="exam_edit"),
    path("set/<int:pk>/change", exam_setting.exam_change, name="exam_change"),
    path("questions/", exam_setting.question_list, name="questions"),
    path("questions/propose", exam_setting.propose, name="questions_propose"),
    path("questions/judging", exam_setting.judging, name="question_judging"),
    path("questions/new", exam_setting.question_new, name="question_new"),
    path("questions/create", exam_setting.question_create, name="question_create"),
    path("questions/<int:pk>/", exam_setting.question_edit, name="question_edit"),
    path("questions/<int:pk>/change", exam_setting.question_change, name="question_change"),
    path("questions/<int:pk>/judge", exam_setting.judge, name="question_judge"),
    path("appeals/", exam_setting.appeal_list, name="exam_appeals"),
    path("appeals/<int:pk>/decide", exam_setting.appeal_decide, name="exam_appeal_decide"),
    path("results/", exam_results.results, name="exam_results"),
    path("results.csv", exam_results.results_table, name="exam_results_table"),
    path("bars/<int:pk>/lift", exam_results.lift, name="exam_bar_lift"),
]
