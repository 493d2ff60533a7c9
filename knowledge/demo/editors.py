"""What the demo's editors have done lately, and what lies on their desks."""

from dataclasses import replace

from accounts.models import Staff
from knowledge.actions import points as actions
from knowledge.actions.editing import begin_point
from knowledge.actions.places import category_at
from knowledge.content import Content
from knowledge.models import Point

# A rule that has just changed, after customers were told the old one.
CHANGED = "cc-repay-how"
OLD_RULE, NEW_RULE = "当天 18 点会再扣一次", "当天 20 点会再扣一次"


def begin_work(*, editor: Staff, supervisor: Staff) -> None:
    """Gives the editor points to look after; a new one and a change wait for approval, and one was sent back."""
    Point.objects.filter(pk__in=Point.objects.order_by("key").values("pk")[:40]).update(owner=editor)
    begin_point(
        by=editor,
        key="branch-holiday-hours",
        language="zh",
        owner=editor,
        content=Content(
            "春节假期网点开门吗？",
            "春节期间望江门支行和火车站支行每天 9:00 到 16:00 营业，其他网点初七起恢复。急用现金可以到任何一台自助机。",
            category_at("网点与自助设备/营业时间"),
        ),
        phrasings=["过年银行上班吗", "大年初三能办业务吗", "春节哪个网点开"],
        is_ready=True,
    )
    changed, returned = (
        _reworded(point, "还有不清楚的，随时找我们。", by=editor)
        for point in Point.objects.filter(language="zh").order_by("key")[:2]
    )
    actions.submit(by=editor, version=changed)
    actions.submit(by=editor, version=returned)
    actions.send_back(by=supervisor, version=returned, remark="末尾那句请写清楚找谁、打哪个电话。")


def change_rule(*, editor: Staff, supervisor: Staff) -> None:
    """Publishes other words of a point from which customers were told something today."""
    point = Point.objects.get(key=CHANGED)
    assert point.published is not None
    said = actions.content_of(point.published)
    content = replace(said, answer=said.answer.replace(OLD_RULE, NEW_RULE))
    version = actions.save_draft(by=editor, point=point.pk, content=content).pk
    actions.submit(by=editor, version=version)
    actions.approve(by=supervisor, version=version)


def _reworded(point: Point, words: str, *, by: Staff) -> int:
    assert point.published is not None
    said = actions.content_of(point.published)
    content = replace(said, answer=f"{said.answer}\n{words}")
    return actions.save_draft(by=by, point=point.pk, content=content).pk
