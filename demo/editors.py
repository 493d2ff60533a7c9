"""Stores recent work of the demo's editors: drafts, requests for approval, and a changed point."""

from dataclasses import replace

from accounts.models import Staff
from chat.actions.canned_replies import save_reply
from chat.actions.setup import save_setup
from chat.models import CannedReply, Site
from knowledge.actions import points as actions
from knowledge.actions.branches import category_at, save_branch
from knowledge.actions.editing import begin_point
from knowledge.content import Content
from knowledge.models import Branch, Point, Version

# The key of the point whose content changes after customers have received answers with the old content.
CHANGED_POINT = "cc-repay-how"
OLD_RULE, NEW_RULE = "当天 18 点会再扣一次", "当天 20 点会再扣一次"


def begin_work(*, editor: Staff, supervisor: Staff) -> None:
    """Make the editor owner of some points, and create drafts.

    A new point and a change wait for approval, and another change was sent back to the editor.
    """
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
    changed, sent_back = (
        _draft_with_added_line(point, "还有不清楚的，随时找我们。", by=editor)
        for point in Point.objects.filter(language="zh").order_by("key")[:2]
    )
    actions.submit(by=editor, version=changed)
    actions.submit(by=editor, version=sent_back)
    actions.send_back(by=supervisor, version=sent_back, remark="末尾那句请写清楚找谁、打哪个电话。")


def request_approvals(*, editor: Staff, supervisor: Staff, administrator: Staff, site: Site) -> None:
    """Change a branch, a site and a shared reply. Each change waits for approval by a second person."""
    branch = Branch.objects.exclude(telephone="").order_by("key")[0]
    branch.telephone = f"{branch.telephone[:-2]}66"
    save_branch(by=editor, branch=branch, changed=["telephone"])
    site.hotline = "400-000-1025"
    save_setup(by=administrator, subject=site, fields=["hotline"])
    reply = CannedReply(
        language="zh",
        shortcut="chunjie",
        title="春节营业",
        body="您好，春节期间网点的营业时间以网点公告为准，{visitor_name}可以先在手机银行办理。",
    )
    save_reply(staff=supervisor, reply=reply)


def change_rule(*, editor: Staff, supervisor: Staff) -> None:
    """Publish a new version of CHANGED_POINT, from which customers received answers today."""
    point = Point.objects.get(key=CHANGED_POINT)
    assert point.published is not None
    published = actions.content_of(point.published)
    content = replace(published, answer=published.answer.replace(OLD_RULE, NEW_RULE))
    version = actions.save_draft(by=editor, point=point.pk, content=content).pk
    actions.submit(by=editor, version=version)
    request = actions.waiting_for(Version.objects.select_related("point").get(pk=version))
    assert request is not None
    actions.approve(by=supervisor, version=version, digest=request.digest)


def _draft_with_added_line(point: Point, added_line: str, *, by: Staff) -> int:
    assert point.published is not None
    published = actions.content_of(point.published)
    content = replace(published, answer=f"{published.answer}\n{added_line}")
    return actions.save_draft(by=by, point=point.pk, content=content).pk
