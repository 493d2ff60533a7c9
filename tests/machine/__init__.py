"""The whole protocol in one process on a simulated clock, driven by Hypothesis through thousands of
schedules.

Real parts: the consumers as ASGI callables, the hubs, sweeps and writers of two server processes, the actions
and the console's views on SQLite, and in Node the modules of widget and console (tests/js/machine.js).
Replaced parts: the clock and the event loop (clock.py), threads (threads.py), the channel layer
(notifications.py), and the network (network.py).

A step is something that a person does or something that breaks. After each step the safety rules are checked.
At the end, when every fault has been healed, everything accepted must be on every screen. test_machine.py has
the steps; it is itself tested with faults planted in the code, each of which it has to find.

The suite runs one hundred schedules, always the same; `make machine` runs two thousand random ones and
shrinks one that fails.
"""
