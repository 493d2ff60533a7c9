"""Property-based tests: a state machine takes random steps with approval requests, and checks rules after each step.

A request must never be approved by one of its authors, a second time, after it has expired, or with content that
differs from what the approver was shown.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from accounts.approvals import actions
from accounts.approvals.models import ApprovalRequest
from accounts.models import Staff
from chat.actions.setup import save_setup
from chat.models import Site
from core.refusals import Refusal
from tests.people import create_cast

State = ApprovalRequest.State
WRITERS = ("an", "bo", "cy")
PEOPLE = (*WRITERS, "yun", "mei")
HOTLINES = ("95000", "95001", "95002")


class ApprovalMachine(RuleBasedStateMachine):
    """State machine in which three administrators edit a site.

    The administrators and a supervisor may approve. An agent tries to approve, which must fail.
    """

    def __init__(self) -> None:
        super().__init__()
        self.cast = create_cast()
        more = {
            name: Staff.objects.create(username=name, name=name, number=name, role="administrator")
            for name in ("bo", "cy")
        }
        self.people = {name: more.get(name) or getattr(self.cast, name) for name in PEOPLE}
        # The approval requests that were shown to somebody: id, digest and proposed values.
        self.read: list[tuple[Any, str, dict[str, Any]]] = []
        self.hotline, self.title = self.cast.site.hotline, self.cast.site.title_zh
        self.writers: set[str] = set()

    @rule(writer=st.sampled_from(WRITERS), hotline=st.sampled_from(HOTLINES))
    def write_hotline(self, writer: str, hotline: str) -> None:
        self._write(writer, "hotline", hotline)

    @rule(writer=st.sampled_from(WRITERS), title=st.sampled_from(("在线客服", "找人聊聊")))
    def write_title(self, writer: str, title: str) -> None:
        self._write(writer, "title_zh", title)

    def _write(self, writer: str, field: str, value: str) -> None:
        site = Site.objects.get(pk=self.cast.site.pk)
        setattr(site, field, value)
        waiting = self._waiting()
        request = save_setup(by=self.people[writer], subject=site, fields=[field])
        if request is None or (waiting is not None and waiting.pk == request.pk):
            return
        self.writers = {writer} | (self.writers if waiting is not None else set())
        assert {str(self.people[name].pk) for name in self.writers} <= {
            str(pk) for pk in request.authors.values_list("pk", flat=True)
        }

    def _waiting(self) -> ApprovalRequest | None:
        return ApprovalRequest.objects.filter(state=State.PENDING).first()

    @rule()
    def read_what_waits(self) -> None:
        waiting = self._waiting()
        if waiting is not None:
            self.read.append((waiting.uuid, waiting.digest, dict(waiting.after)))

    @precondition(lambda self: self.read)
    @rule(person=st.sampled_from(PEOPLE), data=st.data(), is_forged=st.booleans())
    def approve(self, person: str, data: st.DataObject, is_forged: bool) -> None:
        uuid, digest, after = data.draw(st.sampled_from(self.read))
        request = ApprovalRequest.objects.get(uuid=uuid)
        staff, was = self.people[person], request.state
        is_again = was == State.APPROVED and request.decided_by_id == staff.pk
        try:
            actions.approve(by=staff, uuid=uuid, digest=digest[::-1] if is_forged else digest)
        except (Refusal, PermissionDenied):
            return
        assert not is_forged or digest == digest[::-1]
        assert person != "mei"
        assert is_again or (was == State.PENDING and request.expires_at > timezone.now())
        assert not request.authors.filter(pk=staff.pk).exists()
        if not is_again:
            self.hotline = after.get("hotline", self.hotline)
            self.title = after.get("title_zh", self.title)

    @rule(person=st.sampled_from(PEOPLE))
    def reject(self, person: str) -> None:
        self._try(person, lambda staff, uuid: actions.reject(by=staff, uuid=uuid, reason="nein"))

    @rule(person=st.sampled_from(PEOPLE))
    def withdraw(self, person: str) -> None:
        self._try(person, lambda staff, uuid: actions.withdraw(by=staff, uuid=uuid))

    def _try(self, person: str, action: Any) -> None:
        waiting = self._waiting()
        if waiting is not None:
            try:
                action(self.people[person], waiting.uuid)
            except (Refusal, PermissionDenied):
                return

    @rule()
    def time_goes_by(self) -> None:
        past = timezone.now() - timedelta(seconds=1)
        ApprovalRequest.objects.filter(state=State.PENDING).update(expires_at=past)

    @rule()
    def sweep(self) -> None:
        actions.expire_overdue()

    @invariant()
    def only_what_was_approved_is_stored(self) -> None:
        site = Site.objects.get(pk=self.cast.site.pk)
        assert (site.hotline, site.title_zh) == (self.hotline, self.title)

    @invariant()
    def nobody_has_approved_their_own_words(self) -> None:
        approved = ApprovalRequest.objects.filter(state=State.APPROVED)
        assert not any(request.decided_by in request.authors.all() for request in approved)

    @invariant()
    def at_most_one_waits(self) -> None:
        assert ApprovalRequest.objects.filter(state=State.PENDING).count() <= 1


class RolledBackMachine(ApprovalMachine):
    """Runs the state machine in a transaction that is rolled back, so that each run starts with an empty database."""

    def __init__(self) -> None:
        self._transaction = transaction.atomic()
        self._transaction.__enter__()
        super().__init__()

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self._transaction.__exit__(None, None, None)


@pytest.mark.django_db
def test_random_steps_never_break_an_invariant_of_approval() -> None:
    run_state_machine_as_test(
        RolledBackMachine,
        settings=settings(
            max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
