"""The ten invariants. This module lists the tests that guard each invariant, and checks that the listed tests exist."""

from __future__ import annotations

import ast

import pytest

from tests.harness.servers.process import ROOT

GUARDS = {
    "1 accepted means committed": [
        "chat/realtime/test_writer.py::test_accepted_message_is_visible_to_other_connections",
        "faults/test_outages.py::test_killed_server_loses_no_accepted_message",
        "faults/test_outages.py::test_database_outage_loses_no_accepted_message",
        "server/test_settings.py::test_sqlite_syncs_every_commit_to_disk",
    ],
    "2 nothing accepted is lost, doubled or reordered": [
        "chat/realtime/test_sockets.py::test_two_processes_assign_seqs_of_one_conversation_without_a_gap",
        "faults/test_outages.py::test_without_redis_everything_still_arrives",
        "faults/test_outages.py::test_sweep_sends_nothing_twice",
        "faults/test_outages.py::test_flushed_redis_keeps_all_subscriptions",
        "faults/test_outages.py::test_visitor_socket_that_does_not_read_is_aborted_at_the_memory_limit",
        "chat/realtime/test_state_equals_events.py::test_welcome_contains_a_change_between_the_lookup_and_the_join",
        "chat/realtime/test_state_equals_events.py::test_later_event_does_not_hide_a_lost_change_from_the_sweep",
        "machine/test_machine.py::test_random_schedules_keep_all_invariants",
        "machine/test_machine.py::test_planted_fault_is_found",
    ],
    "3 seq has no gap, and both sides resume after N": [
        "chat/test_actions_posts.py::test_random_batches_of_posts_and_read_marks_keep_seq_without_gaps",
        "chat/realtime/test_writer.py::test_posts_from_many_threads_leave_no_gap_in_seq",
        "chat/realtime/test_writer.py::test_two_writers_and_an_action_assign_seqs_without_a_gap",
        "chat/realtime/test_sockets.py::test_visitor_resumes_with_the_messages_after_the_last_one",
    ],
    "4 doing anything twice is harmless": [
        "chat/test_actions_posts.py::test_repeat_gets_the_first_answer_and_announces_nothing",
        "chat/test_actions_visitors.py::test_start_twice_gives_one_conversation",
        "chat/test_actions_agents.py::test_take_twice_is_harmless_and_take_of_a_colleagues_is_refused",
        "chat/test_actions_agents.py::test_add_note_twice_creates_one_note",
        "chat/realtime/test_writer.py::test_repeated_post_gets_the_same_answer_even_while_the_first_is_pending",
    ],
    "5 a note never reaches a visitor": [
        "chat/test_actions_agents.py::test_add_note_creates_no_message",
        "chat/realtime/test_sockets.py::test_a_note_never_reaches_a_visitor",
        "chat/realtime/test_state_equals_events.py::test_state_equals_events_while_active",
    ],
    "6 one agent at most, one winner and one clear answer": [
        "chat/test_actions_agents.py::test_concurrent_take_next_gives_each_agent_a_different_conversation",
        "chat/test_actions_agents.py::test_concurrent_take_of_one_conversation_has_one_winner_and_one_refusal",
        "routing/test_queue.py::test_requests_during_a_transaction_share_the_next_one_in_order",
        "faults/test_outages.py::test_server_killed_during_assignment_assigns_each_conversation_fully_or_not_at_all",
        "chat/test_actions_visitors.py::test_concurrent_starts_of_one_visitor_share_one_conversation",
    ],
    "7 one write path": ["test_invariants.py::test_only_actions_write_to_the_database"],
    "8 frames carry all a screen needs": [
        "chat/realtime/test_state_equals_events.py::test_state_equals_events_while_waiting",
        "chat/realtime/test_state_equals_events.py::test_state_equals_events_over_a_whole_conversation",
        "chat/realtime/test_sockets.py::test_visitor_and_agent_exchange_frames_across_processes",
    ],
    "9 unknown kinds are ignored": [
        "chat/test_protocol.py::test_unknown_kind_is_ignored",
        "chat/test_protocol.py::test_decode_events_skips_unknown_and_invalid_events",
        "chat/realtime/test_sockets.py::test_unknown_frames_are_ignored_and_invalid_frames_refused",
    ],
    "10 no words, tokens or numbers in URLs, logs, Redis keys": [
        "faults/test_outages.py::test_redis_contains_no_message_text_and_no_names",
        "server/test_settings.py::test_database_error_is_logged_without_the_row",
        "server/test_settings.py::test_errors_that_quote_data_are_logged_without_their_message",
        "chat/test_protocol.py::test_bad_frame_contains_no_text_of_the_frame",
    ],
}


def test_there_are_ten_invariants() -> None:
    assert [name.split()[0] for name in GUARDS] == [str(number) for number in range(1, 11)]


@pytest.mark.parametrize("invariant", GUARDS)
def test_guards_of_each_invariant_exist(invariant: str) -> None:
    for guard in GUARDS[invariant]:
        file, _, name = guard.partition("::")
        tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
        functions = {
            node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        assert name in functions, guard


WRITES = {
    "create",
    "bulk_create",
    "get_or_create",
    "update_or_create",
    "save",
    "delete",
    "update",
    "bulk_update",
}
# Every package that runs in production.
OURS = ("accounts", "chat", "config", "console", "core", "exams", "knowledge", "privacy", "routing", "server")
# Names of folders and modules that may write to the database: the actions, and the layers below or beside the actions.
WRITERS = ("actions", "migrations", "demo", "commands", "models")
OTHER_WRITERS = {
    "accounts/actions.py",
    "accounts/approvals/authors.py",
    "accounts/audit.py",
    "accounts/departments.py",
    "accounts/presence.py",
    "accounts/skills.py",
    # The next three modules write counters in Redis, form keys, and Django's sessions.
    "core/rate_limits.py",
    "accounts/form_keys.py",
    "accounts/session_queries.py",
    # Server processes take and renew leases.
    "core/leases.py",
    # This module writes approved changes, and only the approval actions call it.
    "chat/approvals.py",
    "routing/policies.py",
}
# Methods of NumPy, of Pillow and of a Django formset. They do not write to the database: the formset only collects the
# changes that an action then stores.
OTHER_SAVES = {"np.delete", "plain.save", "formset.save"}


def test_only_actions_write_to_the_database() -> None:
    """Check invariant 7, one write path: no view, consumer, selector or admin class calls a writing method of the
    ORM."""
    violations = []
    for app in OURS:
        for path in sorted((ROOT / app).rglob("*.py")):
            name = str(path.relative_to(ROOT))
            if set(path.parts) & set(WRITERS) or path.stem in WRITERS or name in OTHER_WRITERS:
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and node.func.attr in WRITES
                ):
                    source = ast.unparse(node.func)
                    is_ours = ".objects." in source or source.endswith((".save", ".delete", "_set.update"))
                    if is_ours and source not in OTHER_SAVES:
                        violations.append(f"{name}:{node.lineno} {source}")
    assert violations == []
