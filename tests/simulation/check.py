"""The comparison at the end of a simulation: acknowledged messages, the screens of both sides, and stored messages."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any

from tests.harness.thread import Message, Thread

if TYPE_CHECKING:
    from tests.harness.reader import Reader
    from tests.simulation.agent import Agent
    from tests.simulation.visitor import Visitor


async def compare(
    visitors: list[Visitor],
    agents: list[Agent],
    reader: Reader,
    spawn: Callable[[Coroutine[Any, Any, None]], None],
    seconds: float,
) -> list[str]:
    """Return a description of every difference. No description contains a message's text."""
    problems = [f"agent {agent.username}: {problem}" for agent in agents for problem in agent.problems]
    spawn(reader.socket.run())
    for visitor in visitors:
        if visitor.problem:
            problems.append(f"visitor: {visitor.problem}")
        if not visitor.conversation:
            continue
        uuid = visitor.conversation
        staff_messages = (await reader.read(uuid, seconds)).messages
        reopened = await visitor.reopened(seconds)
        faults = transcript_faults(staff_messages)
        if reopened != staff_messages:
            faults.append("a newly opened widget and the console show different messages")
        faults += acknowledged_faults(staff_messages, visitor.sent, visitor.accepted)
        await visitor.wait_for_head(len(staff_messages), seconds)
        faults += screen_faults("visitor's", visitor.thread, staff_messages)
        for agent in agents:
            if uuid in agent.threads:
                faults += acknowledged_faults(staff_messages, agent.sent[uuid], agent.accepted[uuid])
                await agent.wait_for_head(uuid, len(staff_messages), seconds)
                faults += screen_faults("agent's", agent.threads[uuid], staff_messages)
        problems += [f"{uuid}: {fault}" for fault in faults]
    return problems


def transcript_faults(messages: list[Message]) -> list[str]:
    """Return descriptions of faults that the transcript alone shows, whatever was sent, such as a gap in seq."""
    faults = []
    if [message["seq"] for message in messages] != list(range(1, len(messages) + 1)):
        faults.append("seq is not 1, 2, 3 ...")
    client_ids = [message["client_id"] for message in messages if message.get("client_id")]
    if len(set(client_ids)) < len(client_ids):
        faults.append("a client_id occurs twice")
    times = [message["at"] for message in messages]
    if times != sorted(times):
        faults.append("times go backwards")
    return faults


def acknowledged_faults(
    messages: list[Message], sent: Mapping[str, str], accepted: Mapping[str, int]
) -> list[str]:
    """Return descriptions of faults in the acknowledged messages of one author.

    Each must be in the transcript under its acknowledged seq, in the order of sending, and unchanged apart from NUL and
    surrounding white space. `sent` has the bodies, and `accepted` the seqs, by client_id.
    """
    faults = []
    stored = {message["client_id"]: message for message in messages if message.get("client_id")}
    for client_id, seq in accepted.items():
        message = stored.get(client_id)
        if message is None:
            faults.append(f"acknowledged and LOST: seq {seq}")
        elif message["seq"] != seq:
            faults.append(f"acknowledged as seq {seq}, stored as {message['seq']}")
        elif message["body"] != sent[client_id].replace("\x00", "").strip():
            faults.append(f"seq {seq} is not what was sent")
    order = [accepted[client_id] for client_id in sent if client_id in accepted]
    if order != sorted(order):
        faults.append("not in the order of sending")
    return faults


def screen_faults(whose: str, thread: Thread, stored: list[Message]) -> list[str]:
    """Return descriptions of differences between a screen that was open all the time and the stored messages.

    `whose` names the owner of the screen in the descriptions.
    """
    faults = [f"{whose} screen: {error}" for error in thread.errors]
    if thread.head < len(stored):
        faults.append(f"the {whose} screen ends at {thread.head} of {len(stored)}")
    elif thread.messages != stored:
        faults.append(f"the {whose} screen differs from what is stored")
    return faults
