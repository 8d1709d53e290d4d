"""The harness's command line: ``python -m tests.chaos``; ``make chaos`` and ``make chaos-long`` call it."""

import argparse
import logging
import sys
from pathlib import Path

import orjson
import structlog
from rich.console import Console

from tests.chaos.campaign import Campaign
from tests.chaos.report import Report
from tests.chaos.table import print_table, together

HOME = Path(".surefoot/chaos")
RUN_SECONDS = 2.0
"""Seconds that a run was seen to take on two cores, several at once, harm included: for the estimate."""
PEACE_SECONDS = 35
"""Seconds that the start and the end of a campaign take."""

console = Console(stderr=True)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the first campaign; each one after has the next")
    parser.add_argument("--runs", type=int, default=40, help="of each campaign")
    parser.add_argument("--campaigns", type=int, default=1)
    parser.add_argument("--targets", type=int, default=8, help="ECS services that are deployed to at once")
    parser.add_argument(
        "--harm-seconds", type=float, help="stop the harm after so long; default: with the last request"
    )
    parser.add_argument("--mutant", default="", help="let the services lack this protection")
    parser.add_argument("--harmless", action="store_true", help="no harm: what the machine can do")
    parser.add_argument("--resume", action="store_true", help="keep the results of campaigns that are done")
    parser.add_argument("--json", action="store_true", help="the table as JSON on stdout")
    parser.add_argument("--verbose", action="store_true", help="log each harm")
    return parser.parse_args()


def main() -> int:
    """Run the campaigns; 0 when every promise held, 1 when one did not."""
    asked = options()
    level = logging.INFO if asked.verbose else logging.WARNING
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    estimate = asked.campaigns * (PEACE_SECONDS + asked.runs * RUN_SECONDS) / 60
    console.print(f"{asked.campaigns * asked.runs} runs, about {estimate:.0f} minutes on two cores", highlight=False)
    reports = []
    for seed in range(asked.seed, asked.seed + asked.campaigns):
        report = _done(seed) if asked.resume else None
        if report is None:
            report = Campaign(
                seed, asked.runs, asked.targets, HOME / str(seed), asked.harm_seconds, asked.mutant, asked.harmless
            ).run()
            (HOME / f"{seed}.json").write_bytes(orjson.dumps(report.as_json(), option=orjson.OPT_INDENT_2))
        reports.append(report)
        console.print(f"seed {seed}: {'held' if report.held else 'BROKEN'}, {report.runs} runs in {report.seconds} s")
        for fault in report.faults:
            console.print(f"  {fault}", style="red", highlight=False, markup=False)
    whole = together(reports)
    if asked.json:
        print(orjson.dumps(whole.as_json(), option=orjson.OPT_INDENT_2).decode())  # noqa: T201  that is its purpose
    else:
        print_table(whole)
    return 0 if whole.held else 1


def _done(seed: int) -> Report | None:
    path = HOME / f"{seed}.json"
    if not path.exists():
        return None
    kept = orjson.loads(path.read_bytes())
    kept.pop("held")
    return Report(**kept)


if __name__ == "__main__":
    sys.exit(main())
