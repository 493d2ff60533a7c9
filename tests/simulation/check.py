"""The comparison at the end: what was acknowledged, what both sides' screens show, what is stored."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any

from tests.simulation.transport import Frame, Thread

if TYPE_CHECKING:
    from tests.simulation.agent import Agent
    from tests.simulation.reader import Reader
    from tests.simulation.visitor import Visitor


async def compare(
    visitors: list[Visitor],
    agents: list[Agent],
    reader: Reader,
    spawn: Callable[[Coroutine[Any, Any, None]], None],
    seconds: float,
) -> list[str]:
    """Everything that is not as it should be, in words; none of it holds a message's text."""
    wrong = [f"agent {agent.username}: {problem}" for agent in agents for problem in agent.problems]
    spawn(reader.line.run())
    for visitor in visitors:
        if visitor.problem:
            wrong.append(f"visitor: {visitor.problem}")
        if not visitor.conversation:
            continue
        uuid = visitor.conversation
        staffs = await reader.read(uuid, seconds)
        anew = await visitor.as_stored(seconds)
        found = transcript_faults(staffs)
        if anew != staffs:
            found.append("a box opened anew and the console do not show the same")
        found += acknowledged_faults(staffs, visitor.sent, visitor.accepted)
        await visitor.reaches(len(staffs), seconds)
        found += screen_faults("visitor's", visitor.thread, staffs)
        for agent in agents:
            if uuid in agent.threads:
                found += acknowledged_faults(staffs, agent.sent[uuid], agent.accepted[uuid])
                await agent.reaches(uuid, len(staffs), seconds)
                found += screen_faults("agent's", agent.threads[uuid], staffs)
        wrong += [f"{uuid}: {words}" for words in found]
    return wrong


def transcript_faults(messages: list[Frame]) -> list[str]:
    """What is wrong with a transcript by itself."""
    faults = []
    if [message["seq"] for message in messages] != list(range(1, len(messages) + 1)):
        faults.append("seq is not 1, 2, 3 ...")
    client_ids = [message["client_id"] for message in messages if message.get("client_id")]
    if len(set(client_ids)) < len(client_ids):
        faults.append("a client_id is there twice")
    times = [message["at"] for message in messages]
    if times != sorted(times):
        faults.append("times run backwards")
    return faults


def acknowledged_faults(
    messages: list[Frame], sent: Mapping[str, str], accepted: Mapping[str, int]
) -> list[str]:
    """Of one author: what was acknowledged stands in the transcript once, as it was sent, in the order of sending."""
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
        faults.append("out of the order of sending")
    return faults


def screen_faults(whose: str, thread: Thread, stored: list[Frame]) -> list[str]:
    """Whether a screen that was open all the time shows what is stored."""
    faults = [f"{whose} screen: {words}" for words in thread.wrong]
    if thread.head < len(stored):
        faults.append(f"the {whose} screen ends at {thread.head} of {len(stored)}")
    elif thread.messages != stored:
        faults.append(f"the {whose} screen shows something else than is stored")
    return faults
