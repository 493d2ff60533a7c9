"""A state machine that tests the whole protocol in one process, on a simulated clock. Hypothesis chooses its steps.

Real parts: the consumers as ASGI callables, the hubs, sweeps and writers of two server processes, the actions and the
console's views on SQLite, and in Node the modules of widget and console (tests/js/machine.js). Replaced parts: the
clock and the event loop (clock.py), threads (threads.py), the channel layer (notifications.py), and the network
(network.py).

A step is an action of a person or a fault. After each step the safety rules are checked. At the end all faults are
healed, and every accepted message must then be on every screen. test_machine.py has the steps. It also tests the state
machine itself: faults are planted in the code, and it must find each of them.

A schedule is one sequence of steps. The suite always runs the same hundred schedules; `make machine` runs two thousand
random ones and shrinks one that fails.
"""
