"""The URLs of exam pages: for examinees, for editors who set exams, and for results. console.urls includes them."""

from django.urls import path

from console.exams import appeal_views, drill_views, question_views, result_views, setting_views, views

urlpatterns = [
    path("exams/", views.exams, name="exams"),
    path("exams/<int:pk>/begin", views.begin, name="exam_begin"),
    path("exams/papers/<int:pk>/", views.paper, name="exam_paper"),
    path("exams/papers/<int:pk>/answers", views.answer, name="exam_answer"),
    path("exams/papers/<int:pk>/clock", views.clock, name="exam_clock"),
    path("exams/papers/<int:pk>/hand-in", views.hand_in, name="exam_hand_in"),
    path("exams/papers/<int:pk>/appeals", views.appeal, name="exam_appeal"),
    path("exams/set/", setting_views.setting, name="exam_setting"),
    path("exams/set/new", setting_views.exam_new, name="exam_new"),
    path("exams/set/create", setting_views.exam_create, name="exam_create"),
    path("exams/set/<int:pk>/", setting_views.exam_edit, name="exam_edit"),
    path("exams/set/<int:pk>/change", setting_views.exam_change, name="exam_change"),
    path("exams/questions/", question_views.question_list, name="questions"),
    path("exams/questions/propose", question_views.propose, name="questions_propose"),
    path("exams/questions/judging", question_views.judging, name="question_judging"),
    path("exams/questions/new", question_views.question_new, name="question_new"),
    path("exams/questions/create", question_views.question_create, name="question_create"),
    path("exams/questions/<int:pk>/", question_views.question_edit, name="question_edit"),
    path("exams/questions/<int:pk>/change", question_views.question_change, name="question_change"),
    path("exams/questions/<int:pk>/judge", question_views.judge, name="question_judge"),
    path("exams/appeals/", appeal_views.appeal_list, name="exam_appeals"),
    path("exams/appeals/<int:pk>/decide", appeal_views.appeal_decide, name="exam_appeal_decide"),
    path("exams/results/", result_views.results, name="exam_results"),
    path("exams/results.csv", result_views.results_table, name="exam_results_table"),
    path("exams/bars/<int:pk>/lift", result_views.lift, name="queue_restriction_lift"),
    path("drill/next", drill_views.drill, name="drill"),
    path("drill/answer", drill_views.drill_answer, name="drill_answer"),
]
