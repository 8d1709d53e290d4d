"""Scenario files: read, or refused with the line of each fault."""

from pathlib import Path

import pytest

from sandbox.scenarios.load import Unreadable, images, load, parsed, shipped

GOOD = """
teaches: Something.
image:
  latency: 2
  later: {after: 600, error_rate: 0.5}
world:
  traffic: {peak: 10, night: 1}
  happenings:
    - {at: 60, database: away}
expect: {outcome: succeeded}
"""


def test_a_file_is_a_scenario_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "two-seconds.yaml").write_text(GOOD)
    scenario = load(tmp_path / "two-seconds.yaml")
    assert (scenario.name, scenario.image.name, scenario.image.latency) == ("two-seconds", "two-seconds", 2)
    assert scenario.image.at(599).error_rate == 0.001
    assert scenario.image.at(600).error_rate == 0.5
    assert scenario.image.at(600).latency == 2


def test_each_fault_is_told_with_its_line() -> None:
    wrong = GOOD.replace("latency: 2", "latency: soon").replace("peak: 10", "peek: 10").replace("away", "gone")
    with pytest.raises(Unreadable) as refused:
        parsed(wrong, "wrong.yaml")
    assert str(refused.value).splitlines() == [
        "wrong.yaml:4: image.latency: Input should be a valid number, unable to parse string as a number",
        "wrong.yaml:7: world.traffic.peek: there is no such part of a scenario",
        "wrong.yaml:9: world.happenings.0.database: Input should be 'away' or 'back'",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("teaches: [unclosed", r"^w\.yaml:\d: no YAML: "),
        ("- a list", r"^w\.yaml:1: a scenario has teaches, image, world, config and expect"),
        ("", r"^w\.yaml:1: a scenario has "),
        ("teaches: Nothing.\n", r"^w\.yaml:1: expect: Field required"),
        ("image: 5\nteaches: x\nexpect: {outcome: failed}\n", r"^w\.yaml:1: image: Input should be a valid dictionary"),
        ("a: &a [*a]\n", r"^w\.yaml:1: "),
        ("teaches: 2026-99-99\n", r"^w\.yaml:1: no YAML: "),
        ("[" * 3000, r"^w\.yaml:1: no YAML: "),
    ],
)
def test_what_is_no_scenario_is_refused(text: str, said: str) -> None:
    with pytest.raises(Unreadable, match=said):
        parsed(text, "w.yaml")


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("config: {baking_minuts: 10}", "2: config.baking_minuts: there is no such part of a scenario"),
        ("world: {hour: 2,\n  hour: 3}", "3: hour stands here twice"),
        ("world: {happenings: [{at: 10}]}", "2: world.happenings.0: nothing happens: name one of capacity, database, "),
        ("world: {happenings: [{at: 1, service: Catalogue, scale_to: 0}]}", "2: world: there is no service Catalogue"),
        (
            "world: {happenings: [{at: 1, service: BackendService, database: away}]}",
            "2: world.happenings.0: service is the one to which",
        ),
        ("world: {happenings: [{at: 1, deploys: nobody}]}", "2: world.happenings.0.deploys: there is no image nobody"),
        (
            "expect: {outcome: failed, alerts: [eror_rate]}",
            "2: expect.alerts.0: there is no critical alert eror_rate",
        ),
    ],
)
def test_what_would_be_passed_over_is_a_fault(tmp_path: Path, part: str, said: str) -> None:
    file = tmp_path / "mine.yaml"
    expect = "" if "expect" in part else "expect: {outcome: failed}\n"
    file.write_text(f"teaches: Something.\n{part}\n{expect}")
    with pytest.raises(Unreadable) as refused:
        load(file)
    assert f"{file}:{said}" in str(refused.value)


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("service: {desired_cuont: 2}", "3: world.service.desired_cuont: there is no such part of a scenario"),
        (
            "service: {scheduling_strategy: DAEMON, launch_type: EC2, desired_count: 2}",
            "3: world.service: a DAEMON service has no desired_count",
        ),
        ("service: {scheduling_strategy: DAEMON}", "3: world.service: a DAEMON service has launch_type EC2"),
        (
            "service: {load_balancers: [{container_name: web}]}",
            "3: world.service: load_balancers names the container web, which is not there",
        ),
        ("service: {load_balancers: [{target_group: web}]}", "2: world: there is no target group web"),
        (
            "service: {scaling: {scheduled_actions: [{schedule: daily}]}}",
            "3: world.service.scaling.",
        ),
        ("load_balancers: [{type: network}]", "3: world.load_balancers.0: listeners of network load balancers speak"),
        (
            "load_balancers: [{listeners: [{protocol: HTTPS}]}]",
            "3: world.load_balancers.0.listeners.0: HTTPS and TLS have a certificate",
        ),
        (
            "load_balancers: [{listeners: [{rules: [{priority: 1, conditions: [{}], actions: [{type: redirect}]}]}]}]",
            "3: world.load_balancers.0.listeners.0.rules.0.conditions.0: a condition is exactly one of",
        ),
        ("target_groups: [{health_check_path: health}]", "3: world.target_groups.0.health_check_path: "),
        ("tasks: 2\n  service: {desired_count: 2}", "2: world: tasks and service.desired_count say the same"),
        ("images: {bad: {latency: soon}}", "3: world.images.bad.latency: "),
        (
            "happenings: [{at: 5, deletes_image: nobody}]",
            "3: world.happenings.0.deletes_image: there is no",
        ),
    ],
)
def test_a_service_that_there_cannot_be_is_a_fault(tmp_path: Path, part: str, said: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"teaches: Something.\nworld:\n  {part}\nexpect: {{outcome: failed}}\n")
    with pytest.raises(Unreadable) as refused:
        load(file)
    assert f"{file}:{said}" in str(refused.value)


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("harm: [{kind: deny, service: ecs, operation: UpdateServcie}]", "harm.0: ecs has no operation UpdateServcie"),
        ("harm: [{kind: omit, service: ecs}]", "harm.0: omit, and no other kind, names the fields"),
        ("harm: [{kind: omit, service: monitoring, omits: [Id]}]", "harm.0: answers of CloudWatch are binary"),
        ("people: [{at: 1, does: supersede, actor: ann}]", "people.0: who supersedes or deploys names an image"),
        ("people: [{at: 1, does: abort, actor: ann, image: b}]", "people.0: who supersedes or deploys names an image"),
        ("also: [shop/web]", "mine.yaml:1: also: there is no service shop/web"),
        ("change: {image: a, task_definition: b}", "a change is an image, for a container, or a task_definition"),
    ],
)
def test_what_cannot_be_asked_for_is_a_fault(tmp_path: Path, part: str, said: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"teaches: Something.\n{part}\nexpect: {{outcome: failed}}\n")
    with pytest.raises(Unreadable) as refused:
        load(file)
    assert said in str(refused.value)


def test_images_of_the_file_itself_can_be_deployed(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    world = "world: {images: {bad: {error_rate: 1}}, happenings: [{at: -60, deploys: bad}]}"
    file.write_text(f"teaches: Something.\n{world}\nexpect: {{outcome: failed}}\n")
    assert load(file).world.images["bad"].error_rate == 1


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="cannot be read: No such file"):
        load(tmp_path / "none.yaml")


def test_those_that_ship_are_a_dozen_at_least_and_each_has_its_image() -> None:
    assert len(shipped()) >= 12
    assert set(images()) == set(shipped())
    assert all(scenario.teaches.endswith(".") for scenario in shipped().values())
