"""The fault checker (`make faults`) tests real servers with real clients under every fault that this machine can make.

It records a history of the run and checks the history against rules. docs/faults.md explains how to read the result.

| module | contents |
|---|---|
| `__main__`, `command` | the command: a run with faults, then the planted bugs, then one line of results |
| `scenario` | one run: start the clients, inject the faults, heal, read everything back |
| `bank` | the servers of a run |
| `proxy` | the network between clients and servers, and its faults |
| `visitor`, `agent`, `browsers` | the clients: protocol-level ones (based on those of tests/harness), and Chromium |
| `fault_injection` | a test-only ASGI application: failpoints and planted bugs around production functions |
| `bugs`, `planted_bug_trials` | the planted bugs, and the runs that must find them |
| `fault_schedule` | the registry of faults, and the code that runs them one after another |
| `network`, `processes`, `stores`, `people` | the faults |
| `history`, `checker`, `delays` | the recorded events; the rules they must obey; delivery times |
| `stored` | the database contents, read by SQL |
"""
