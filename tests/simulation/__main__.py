"""The command `make simulate`, which lets simulated visitors write to a running server.

The exit code is 1 if the run has found a problem, such as a lost message, and 2 if the server does not answer or a
sign-in fails.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import urllib.error
import urllib.request
from pathlib import Path

try:
    import msgspec  # noqa: F401
except ImportError:
    sys.exit("The simulation needs the package msgspec: run `make simulate`, which installs it.")

from demo.dialogues import dialogues
from tests.harness.http_client import SignInFailed
from tests.simulation.simulation import AGENTS, Outcome, Plan, Simulation
from tests.simulation.sources import DATA, Scripts

DEMO_PASSWORD = "lianxin-demo"


def main() -> int:
    arguments = parse()
    plan = Plan(
        url=arguments.url,
        site=arguments.site,
        password=arguments.password,
        visitors=arguments.visitors,
        agents=arguments.agents,
        minutes=arguments.minutes,
        pace=arguments.pace,
        from_hour=arguments.from_hour,
        seed=arguments.seed,
    )
    if not answers(plan.url):
        print(
            f"No server answers at {plan.url}. Start one with `make demo`, or give its address with --url",
            file=sys.stderr,
        )
        return 2
    print(introduction(plan, arguments.data), flush=True)
    try:
        outcome = simulate(plan, arguments.data)
    except SignInFailed as error:
        print(
            f"{error}. If this is not the demo, give the staff's password with --password.", file=sys.stderr
        )
        return 2
    except KeyboardInterrupt:
        return 130
    for loss in outcome.losses:
        print(loss)
    print(outcome.summary())
    return 1 if outcome.losses else 0


def simulate(plan: Plan, data: Path | None) -> Outcome:
    import random

    return asyncio.run(Simulation(plan, Scripts(random.Random(plan.seed), data)).run())


def introduction(plan: Plan, data: Path | None) -> str:
    minutes = plan.minutes / plan.pace
    who = f"{plan.agents} simulated agents answer" if plan.agents else "answer them yourself in the console"
    texts = f"our {len(dialogues())} dialogues" + (f" and the customers of {data}" if data else "")
    return f"{plan.visitors} visitors in {minutes:.1f} min at {plan.url}, writing {texts}; {who}."


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/healthz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError, ValueError):
        return False


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser("make simulate", description=__doc__)
    parser.add_argument(
        "--url", default="http://127.0.0.1:8000", help="address of the server (default: the demo's)"
    )
    parser.add_argument("--site", default="demo", help="key of the site (demo)")
    parser.add_argument("--visitors", type=int, default=20, help="number of visitors (20)")
    parser.add_argument(
        "--minutes", type=float, default=10, help="length of the simulated period in minutes (10)"
    )
    parser.add_argument(
        "--from-hour",
        type=float,
        default=9,
        help="hour at which it starts; sets how busy it is (9)",
    )
    parser.add_argument("--pace", type=float, default=1, help="how many times faster than real time (1)")
    parser.add_argument(
        "--agents", type=int, default=0, choices=range(len(AGENTS) + 1), metavar=f"0-{len(AGENTS)}",
        help="number of simulated agents; with 0 you answer in the console yourself",
    )  # fmt: skip
    parser.add_argument("--password", default=DEMO_PASSWORD, help="password of the staff (the demo's)")
    parser.add_argument(
        "--seed", type=int, default=1, help="random seed; the same seed gives the same visitors (1)"
    )
    parser.add_argument(
        "--data", type=folder, default=DATA if DATA.is_dir() else None,
        help="folder with multidogo_finance and banking77 (../shared/data when it is there)",
    )  # fmt: skip
    return parser.parse_args()


def folder(path: str) -> Path:
    data_folder = Path(path)
    if not data_folder.is_dir():
        raise argparse.ArgumentTypeError(f"{path} is not a folder")
    return data_folder


if __name__ == "__main__":
    sys.exit(main())
