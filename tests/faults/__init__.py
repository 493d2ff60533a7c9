"""The fault checker (`make faults`): real servers, real clients, every fault this machine can make, and a checker over
the whole history. docs/faults.md tells how to read it.

| file | what it knows |
|---|---|
| `__main__` | the command: a faulty run, then the planted bugs, then one line |
| `world` | the servers and people of a run: start, warm up, heal, final read |
| `proxy` | the network between clients and servers, and what can befall it |
| `line`, `http` | one socket of one person that comes back; one request |
| `visitor`, `agent`, `browsers` | who talks: over the protocol, and in Chromium |
| `door` | the servers' test door: failpoints and planted bugs around production functions |
| `bugs` | the planted bugs |
| `nemesis` and the faults of `network`, `processes`, `stores`, `people` | who breaks what, and when |
| `history`, `checker`, `delays` | what happened; whether it was right; how long it took |
| `stored` | what stands in the database, read by SQL |
"""
