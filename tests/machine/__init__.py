"""The whole protocol in one process and on a simulated clock, driven by hypothesis through thousands of schedules.

What is real: the consumers as ASGI callables, hubs and sweeps of two server processes, their writers, the actions
and the console's views on SQLite, and in Node the box's and the console's own modules (tests/js/machine.js). What
stands in for something: the clock and the event loop (clock.py), threads (threads.py), the channel layer
(doorbell.py), the network (network.py).

A step is something a person does or something that breaks. After each one safety is checked, and at the end, when
everything has been mended, that all that was accepted is on every screen. test_machine.py has the steps; it is tested
with faults planted in the code, each of which it has to find.

The suite does a hundred, always the same; `make machine` two thousand others, and shortens one that fails.
"""
