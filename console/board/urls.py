"""The URLs of the supervisor's board. console.urls includes them."""

from django.urls import path

from console.board import views

_agent = "board/agents/<int:pk>"

urlpatterns = [
    path("board/", views.board, name="board"),
    path("board/now", views.now, name="board_now"),
    path("board/departments/<int:pk>/", views.department, name="board_department"),
    path(f"{_agent}/", views.agent, name="board_agent"),
    path(f"{_agent}/presence", views.set_presence, name="board_presence"),
    path(f"{_agent}/change", views.change_agent, name="board_agent_change"),
]
