"""What tasks really ran is what they cost, as Cost Explorer tells it through boto3."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from sandbox.aws.accounts import REGION
from sandbox.aws.costs.ledger import HOUR, Ledger, Use
from sandbox.aws.server.in_process import InProcessAws
from sandbox.aws.server.seed import CLUSTER, FAMILY, SERVICE
from sandbox.virtual.aws import InProcessConnection

START = 1_764_000_000.0
"""2025-11-24 at 16:00; the world was born three days before."""
A_TASK = 0.5 * 0.04048 + 1 * 0.004445
"""US dollars an hour for 512 CPU units and 1,024 MiB."""
VCPU, GB = "USW2-Fargate-vCPU-Hours:perCPU", "USW2-Fargate-GB-Hours"
A_DAY = {"Start": "2025-11-22", "End": "2025-11-23"}


class Rehearsed:
    """An account in this process with its clients."""

    def __init__(self, account: InProcessAws) -> None:
        self.account = account
        connection = InProcessConnection(REGION, account.open("http://aws.sandbox", "application.sandbox", [80]))
        self.ecs = connection.client("ecs")
        self.ce = connection.client("ce")

    def costs(self, period: dict[str, str], granularity: str = "DAILY", **more: Any) -> list[Any]:
        asked = {"Metrics": ["UnblendedCost"], **more}
        answer = self.ce.get_cost_and_usage(TimePeriod=period, Granularity=granularity, **asked)
        return list(answer["ResultsByTime"])

    def cost(self, period: dict[str, str], **more: Any) -> float:
        (result,) = self.costs(period, "MONTHLY", **more)
        return float(result["Total"]["UnblendedCost"]["Amount"])

    def from_now(self, seconds: float) -> float:
        """US dollars that the account costs in the next ``seconds``, at most until the end of the month."""
        whole = {"Start": "2025-11-01", "End": "2025-12-01"}
        before = self.cost(whole)
        self.account.step(seconds)
        return self.cost(whole) - before

    def tasks(self, status: str = "RUNNING") -> list[Any]:
        arns = self.ecs.list_tasks(cluster=CLUSTER, desiredStatus=status)["taskArns"]
        return list(self.ecs.describe_tasks(cluster=CLUSTER, tasks=arns)["tasks"]) if arns else []

    def run(self, **more: Any) -> Any:
        service = self.ecs.describe_services(cluster=CLUSTER, services=[SERVICE])["services"][0]
        network = service["networkConfiguration"]
        asked = {"taskDefinition": FAMILY, "launchType": "FARGATE", "networkConfiguration": network, **more}
        return self.ecs.run_task(cluster=CLUSTER, **asked)["tasks"][0]

    def deploy(self, tag: str) -> None:
        old = self.ecs.describe_task_definition(taskDefinition="court-case-backend")["taskDefinition"]
        image = old["containerDefinitions"][0]["image"].partition(":")[0] + f":{tag}"
        names = ("family", "cpu", "memory", "networkMode", "requiresCompatibilities", "executionRoleArn")
        containers = [{**old["containerDefinitions"][0], "image": image}]
        body = {name: old[name] for name in names}
        arn = self.ecs.register_task_definition(**body, containerDefinitions=containers)["taskDefinition"]
        self.ecs.update_service(cluster=CLUSTER, service=SERVICE, taskDefinition=arn["taskDefinitionArn"])


@contextmanager
def rehearsed() -> Iterator[Rehearsed]:
    account = InProcessAws(lambda: START)
    try:
        yield Rehearsed(account)
    finally:
        account.close()


@pytest.fixture
def aws() -> Iterator[Rehearsed]:
    with rehearsed() as one:
        yield one


def hours_of(task: Any, now: float = 0) -> float:
    until = task["stoppedAt"].timestamp() if "stoppedAt" in task else now
    return float(until - task["pullStartedAt"].timestamp()) / HOUR


def test_a_day_of_the_seeded_service_costs_what_its_three_tasks_cost(aws: Rehearsed) -> None:
    (result,) = aws.costs(A_DAY, Metrics=["UnblendedCost", "AmortizedCost", "BlendedCost", "NetUnblendedCost"])
    assert result["TimePeriod"] == A_DAY
    assert {one["Amount"] for one in result["Total"].values()} == {f"{3 * 24 * A_TASK:.10f}"}
    assert {one["Unit"] for one in result["Total"].values()} == {"USD"}
    assert result["Groups"] == []


def test_the_days_and_hours_of_a_period_add_up_to_it(aws: Rehearsed) -> None:
    days = aws.costs({"Start": "2025-11-20", "End": "2025-11-25"})
    amounts = [float(day["Total"]["UnblendedCost"]["Amount"]) for day in days]
    assert amounts[0] == 0  # nobody was there
    assert amounts[1] == pytest.approx(3 * 8 * A_TASK, rel=0.002)  # from four in the afternoon
    assert amounts[4] == pytest.approx(3 * 16 * A_TASK)  # until now
    assert aws.cost({"Start": "2025-11-20", "End": "2025-11-25"}) == pytest.approx(sum(amounts))
    hours = aws.costs({"Start": "2025-11-24T14:00:00Z", "End": "2025-11-24T18:00:00Z"}, "HOURLY")
    assert hours[0]["TimePeriod"] == {"Start": "2025-11-24T14:00:00Z", "End": "2025-11-24T15:00:00Z"}
    amounts = [float(hour["Total"]["UnblendedCost"]["Amount"]) for hour in hours]
    assert amounts == pytest.approx([3 * A_TASK, 3 * A_TASK, 0, 0])


def test_only_the_current_month_is_estimated(aws: Rehearsed) -> None:
    months = aws.costs({"Start": "2025-10-15", "End": "2025-12-01"}, "MONTHLY")
    assert [month["TimePeriod"] for month in months] == [
        {"Start": "2025-10-15", "End": "2025-11-01"},
        {"Start": "2025-11-01", "End": "2025-12-01"},
    ]
    assert [month["Estimated"] for month in months] == [False, True]


def test_six_tasks_cost_twice_as_much_as_three(aws: Rehearsed) -> None:
    three = aws.from_now(HOUR)
    aws.ecs.update_service(cluster=CLUSTER, service=SERVICE, desiredCount=6)
    aws.account.step(300)
    assert aws.from_now(HOUR) == pytest.approx(2 * three)


def test_both_old_and_new_tasks_of_a_roll_out_are_billed(aws: Rehearsed) -> None:
    aws.deploy("healthy")
    billed = aws.from_now(900)
    old = [task for task in aws.tasks("STOPPED") if task["stoppedAt"].timestamp() > START]
    assert len(old) == 3
    overlap = sum((task["stoppedAt"].timestamp() - START) / HOUR for task in old)
    new = sum(hours_of(task, START + 900) for task in aws.tasks())
    assert overlap > 3 * 30 / HOUR  # they drain at least
    assert billed == pytest.approx((overlap + new) * A_TASK, abs=3 * A_TASK / HOUR)  # seconds are rounded up
    assert billed > 3 * 0.25 * A_TASK


def test_a_short_task_is_billed_by_the_second_for_a_minute_at_least(aws: Rehearsed) -> None:
    usual = aws.from_now(600)
    aws.run(overrides={"containerOverrides": [{"name": "backend", "command": ["migrate"]}]})
    billed = aws.from_now(600)
    (ended,) = aws.tasks("STOPPED")
    assert hours_of(ended) < 60 / HOUR
    assert billed - usual == pytest.approx(A_TASK * 60 / HOUR)


def test_the_size_that_a_task_was_overridden_with_is_billed(aws: Rehearsed) -> None:
    usual = aws.from_now(600)
    aws.run(overrides={"cpu": "1024", "memory": "2048", "containerOverrides": [{"name": "backend", "command": ["x"]}]})
    assert aws.from_now(600) - usual == pytest.approx(2 * A_TASK * 60 / HOUR)


@pytest.mark.parametrize("why", ["no capacity", "no image", "stopped before its pull"])
def test_what_never_starts_costs_nothing(aws: Rehearsed, why: str) -> None:
    usual = aws.from_now(600)
    if why == "no capacity":
        aws.account.world.ecs.capacity = False
        aws.ecs.update_service(cluster=CLUSTER, service=SERVICE, desiredCount=6)
    elif why == "no image":
        body = {"family": "none", "cpu": "256", "memory": "512", "requiresCompatibilities": ["FARGATE"]}
        aws.ecs.register_task_definition(**body, containerDefinitions=[{"name": "none", "image": "none:1"}])
        aws.run(taskDefinition="none")
    else:
        aws.ecs.stop_task(cluster=CLUSTER, task=aws.run()["taskArn"])
    assert aws.from_now(600) == pytest.approx(usual)
    assert len(aws.tasks()) == 3


@pytest.mark.slow
def test_the_size_of_steps_does_not_matter() -> None:
    """Among tasks that come and go in three hours, asked in between or not."""
    found = set()
    for step in (HOUR * 3, 60, 7.5):
        with rehearsed() as aws:
            aws.deploy("crash-loop")
            for passed in range(int(3 * HOUR / step)):
                aws.account.step(step)
                if passed % 100 == 0:
                    aws.cost({"Start": "2025-11-24", "End": "2025-11-25"})
            found.add(f"{aws.cost({'Start': '2025-11-24', 'End': '2025-11-25'}):.9f}")
    assert len(found) == 1
    assert float(found.pop()) > 3 * 19 * A_TASK  # those that crash are billed as well


def test_lines_are_grouped_by_dimensions_and_tags(aws: Rehearsed) -> None:
    aws.run(tags=[{"key": "application", "value": "batch"}])
    aws.run()
    aws.account.step(HOUR)
    period = {"Start": "2025-11-24", "End": "2025-11-25"}
    by_tag = {
        one["Keys"][0]: float(one["Metrics"]["UnblendedCost"]["Amount"])
        for one in aws.costs(period, GroupBy=[{"Type": "TAG", "Key": "application"}])[0]["Groups"]
    }
    assert set(by_tag) == {"application$", "application$batch", "application$court-case"}
    assert by_tag["application$court-case"] == pytest.approx(3 * 17 * A_TASK)
    assert by_tag["application$batch"] == pytest.approx(by_tag["application$"], rel=0.01)
    answer = aws.ce.get_cost_and_usage(
        TimePeriod=A_DAY, Granularity="DAILY", Metrics=["UsageQuantity"],
        GroupBy=[{"Type": "DIMENSION", "Key": "SERVICE"}, {"Type": "DIMENSION", "Key": "USAGE_TYPE"}],
    )  # fmt: skip
    assert [one["Key"] for one in answer["GroupDefinitions"]] == ["SERVICE", "USAGE_TYPE"]
    assert answer["ResultsByTime"][0]["Total"] == {}
    assert answer["ResultsByTime"][0]["Groups"] == [
        {
            "Keys": ["Amazon Elastic Container Service", usage_type],
            "Metrics": {"UsageQuantity": {"Amount": f"{hours:.10f}", "Unit": "hours"}},
        }
        for usage_type, hours in ((GB, 72.0), (VCPU, 36.0))
    ]
    (region,) = aws.costs(A_DAY, GroupBy=[{"Type": "DIMENSION", "Key": "REGION"}])[0]["Groups"]
    assert region["Keys"] == ["us-west-2"]
    (mixed,) = aws.costs(A_DAY, Metrics=["UsageQuantity"])
    assert mixed["Total"]["UsageQuantity"]["Unit"] == "N/A"


def test_the_ledger_keeps_sums_and_no_tasks() -> None:
    ledger = Ledger()
    for second in range(1000):
        ledger.enter(Use(3600.0 + second, 3601.0 + second, (("a", 0.5),)))
    (line,) = ledger.lines(0, 3 * HOUR)
    assert (line.hour, line.usage_type) == (3600, "a")
    assert line.quantity == pytest.approx(500 / HOUR)
    assert len(ledger._hours) == 1
    running = Use(HOUR / 2, 2.5 * HOUR, (("a", 1.0),))
    quantities = [one.quantity for one in ledger.lines(0, 3 * HOUR, [running])]
    assert quantities == pytest.approx([0.5, 1 + 500 / HOUR, 0.5])
    assert ledger.lines(0, 3 * HOUR) == [line]  # what runs was not entered
