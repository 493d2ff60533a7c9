"""Each of the ten invariants has tests that fail when it is broken; this names them, and checks that they are there."""

from __future__ import annotations

import ast

import pytest

from tests.harness.servers.process import ROOT

GUARDS = {
    "1 accepted means committed": [
        "chat/realtime/test_writer.py::test_what_is_accepted_can_be_read_by_anybody_at_that_moment",
        "faults/test_outages.py::test_a_killed_server_has_lost_nothing_that_it_accepted",
        "faults/test_outages.py::test_a_database_that_goes_and_comes_back_costs_no_accepted_message",
        "server/test_settings.py::test_sqlite_writes_through_to_the_disk",
    ],
    "2 nothing accepted is lost, doubled or reordered": [
        "chat/realtime/test_sockets.py::test_two_processes_give_one_conversation_numbers_without_a_gap",
        "faults/test_outages.py::test_without_redis_everything_still_arrives",
        "faults/test_outages.py::test_nothing_comes_twice_to_who_missed_nothing",
        "faults/test_outages.py::test_a_flushed_redis_deafens_nobody",
        "faults/test_outages.py::test_who_does_not_read_is_cut_off_before_it_costs_memory",
        "chat/realtime/test_state_equals_events.py::test_what_happens_between_reading_and_joining_is_in_the_welcome",
        "chat/realtime/test_state_equals_events.py::test_what_comes_later_does_not_pass_for_the_change_that_was_lost",
        "machine/test_machine.py::test_random_schedules_keep_all_invariants",
        "machine/test_machine.py::test_planted_fault_is_found",
    ],
    "3 seq has no gap, and both sides resume after N": [
        "chat/test_actions_posts.py::test_of_posts_and_marks_keeps_the_numbers",
        "chat/realtime/test_writer.py::test_many_threads_leave_no_gap",
        "chat/realtime/test_writer.py::test_two_writers_and_an_action_share_the_numbers_of_one_conversation",
        "chat/realtime/test_sockets.py::test_a_visitor_comes_back_to_what_is_new",
    ],
    "4 doing anything twice is harmless": [
        "chat/test_actions_posts.py::test_a_repeat_gets_the_first_answer_and_announces_nothing",
        "chat/test_actions_visitors.py::test_starting_twice_is_one_conversation",
        "chat/test_actions_agents.py::test_taking_twice_is_harmless_and_taking_a_colleagues_is_refused",
        "chat/test_actions_agents.py::test_a_note_twice_is_one_note",
        "chat/realtime/test_writer.py::test_a_repeat_gets_the_same_answer_even_while_the_first_is_on_its_way",
    ],
    "5 a note never reaches a visitor": [
        "chat/test_actions_agents.py::test_a_note_is_for_staff_and_is_no_message",
        "chat/realtime/test_sockets.py::test_a_note_never_reaches_a_visitor",
        "chat/realtime/test_state_equals_events.py::test_while_talking",
    ],
    "6 one agent at most, one winner and one clear answer": [
        "chat/test_actions_agents.py::test_many_who_click_together_get_one_each",
        "chat/test_actions_agents.py::test_two_who_want_the_same_one_get_one_winner_and_one_clear_answer",
        "chat/test_queue.py::test_who_asks_meanwhile_is_served_in_one_transaction_in_order",
        "faults/test_outages.py::test_a_server_killed_while_agents_take_has_assigned_each_wholly_or_not_at_all",
        "chat/test_actions_visitors.py::test_two_tabs_that_begin_in_the_same_moment_share_one_conversation",
    ],
    "7 one write path": ["test_invariants.py::test_only_actions_write"],
    "8 frames carry all a screen needs": [
        "chat/realtime/test_state_equals_events.py::test_while_waiting",
        "chat/realtime/test_state_equals_events.py::test_a_whole_day_in_one_go",
        "chat/realtime/test_sockets.py::test_a_visitor_and_an_agent_talk_across_processes",
    ],
    "9 unknown kinds are ignored": [
        "chat/test_protocol.py::test_a_kind_from_another_version_is_ignored",
        "chat/test_protocol.py::test_a_batch_keeps_what_it_understands",
        "chat/realtime/test_sockets.py::test_frames_of_another_version_are_ignored_and_bad_ones_refused",
    ],
    "10 no words, tokens or numbers in URLs, logs, Redis keys": [
        "faults/test_outages.py::test_redis_holds_no_words_and_no_names",
        "server/test_settings.py::test_an_error_of_the_database_is_logged_without_the_row",
        "server/test_settings.py::test_errors_that_quote_are_logged_without_their_words",
        "chat/test_protocol.py::test_a_bad_frame_keeps_no_words_of_the_frame",
    ],
}


def test_there_are_ten() -> None:
    assert [name.split()[0] for name in GUARDS] == [str(number) for number in range(1, 11)]


@pytest.mark.parametrize("invariant", GUARDS)
def test_its_guards_exist(invariant: str) -> None:
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
# Where writing is the job: the actions, and what is below or beside them by its nature.
# Every package of the program.
OURS = ("accounts", "chat", "config", "console", "core", "exams", "knowledge", "privacy", "server")
WRITERS = ("actions", "migrations", "demo", "commands", "models")
OTHER_WRITERS = {
    "accounts/actions.py",
    "accounts/approvals/authors.py",
    "accounts/audit.py",
    "accounts/departments.py",
    "accounts/presence.py",
    # Counters in Redis, keys of forms, and Django's own session.
    "core/rate_limits.py",
    "accounts/form_keys.py",
    "accounts/session_queries.py",
    # What an approval writes, called by its action.
    "chat/approvals.py",
}
# NumPy's, Pillow's, and Django's own form, which only gathers what the action then stores.
OTHER_SAVES = {"np.delete", "plain.save", "formset.save"}


def test_only_actions_write() -> None:
    """Invariant 7: no view, consumer, selector or admin class calls a writing method of the ORM itself."""
    found = []
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
                        found.append(f"{name}:{node.lineno} {source}")
    assert found == []
