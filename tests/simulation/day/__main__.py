"""The command `make simulate-day`: run a whole day of the bank twice, with the router and in pull mode, and compare.

The exit code is 1 if the run with the router has a double, an orphan or a starved customer.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor

try:
    import msgspec  # noqa: F401
except ImportError:
    sys.exit("The simulation needs more packages: run `make simulate-day`, which installs them.")

from tests.harness.servers import PrivatePostgres
from tests.simulation.day import shapes
from tests.simulation.day.measures import table_of
from tests.simulation.day.plan import MODES, draw_plan
from tests.simulation.day.runs import run_in_new_process

# Faults that are described for each run.
MAX_CASES = 20


def main() -> int:
    arguments = _parse()
    context = multiprocessing.get_context("spawn")
    plan = draw_plan(seed=arguments.seed, contacts=arguments.contacts, surge=arguments.surge)
    with PrivatePostgres() as postgres, ProcessPoolExecutor(len(MODES), mp_context=context) as pool:
        runs = [pool.submit(run_in_new_process, plan, mode, postgres.create_database()) for mode in MODES]
        outcomes = [run.result() for run in runs]
    print(table_of(outcomes))
    for outcome in outcomes:
        refused = ", ".join(f"{count} {code}" for code, count in sorted(outcome.refusals.items()))
        print(f"refused actions ({outcome.mode}): {refused or 'none'}")
        for case in outcome.cases[:MAX_CASES]:
            print(f"{outcome.mode}: {case}")
    return 1 if outcomes[0].has_faults else 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser("make simulate-day", description=__doc__)
    parser.add_argument(
        "--contacts", type=int, default=shapes.CONTACTS,
        help="number of customers; fewer than a whole day's come from 9:00 on, at the same rate (5000)",
    )  # fmt: skip
    parser.add_argument("--surge", action="store_true", help="494 customers in an hour where 145 are usual")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same day (1)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
