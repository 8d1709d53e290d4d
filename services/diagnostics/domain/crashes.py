"""Containers that end by themselves, or that are stopped because they fail their health check."""

from services.diagnostics.domain.evidence import StoppedTask
from services.diagnostics.domain.images import ARCHITECTURE
from services.diagnostics.domain.playbook import (
    CHECK_DATABASE,
    DESCRIBE_SERVICE,
    DESCRIBE_TASK,
    READ_LOGS,
    RECOMMENDATIONS,
    ROLL_BACK,
    Playbook,
)
from services.diagnostics.domain.task_rule import TaskRule

OUT_OF_MEMORY = Playbook(
    "out_of_memory",
    "application",
    "Containers are killed because they use more memory than they were given.",
    "Requests in flight are lost each time, and the remaining tasks carry the load.",
    ("a memory leak", "more load or larger requests than the size was made for", "a memory limit that is too low"),
    (DESCRIBE_TASK, READ_LOGS, RECOMMENDATIONS, ROLL_BACK),
    ("load test before a release", "alarm on memory above 85 %", "size with the measured peak, not the average"),
)
SEGMENTATION_FAULT = Playbook(
    "segmentation_fault",
    "application",
    "Containers end with a segmentation fault (exit code 139).",
    "Requests in flight are lost each time.",
    ("a fault in native code or in one of its libraries", "libraries built for another processor or another libc"),
    (DESCRIBE_TASK, READ_LOGS, ROLL_BACK),
    ("pin native dependencies", "run the image's tests on the platform that it is deployed to"),
)
CRASH_LOOP = Playbook(
    "crash_loop",
    "application",
    "The container's process ends soon after its start, again and again.",
    "The tasks never serve; a deployment of this version cannot complete.",
    (
        "an exception at start: a missing module, setting or migration",
        "a dependency that is not reachable at start",
        "a command or entry point that ends by itself",
        "an image built for another processor (its log says 'exec format error')",
    ),
    (DESCRIBE_TASK, READ_LOGS, CHECK_DATABASE, ROLL_BACK),
    ("start the image with production's settings before a release", "fail at start with one sentence that says why"),
)
FAILED_HEALTH_CHECKS = Playbook(
    "tasks_fail_health_checks",
    "application",
    "ECS stops tasks because they fail their health check.",
    "Tasks are replaced again and again; capacity is missing meanwhile.",
    (
        "the application answers its health check with an error, often because a dependency is away",
        "the application starts more slowly than the grace period allows",
        "a wrong path, port or security group of the health check",
    ),
    (DESCRIBE_SERVICE, DESCRIBE_TASK, READ_LOGS, CHECK_DATABASE),
    ("give the grace period the slowest start seen", "keep the health check free of optional dependencies"),
)


def _ended(task: StoppedTask) -> bool:
    return task.stop_code == "EssentialContainerExited"


RULES = (
    TaskRule(ARCHITECTURE, lambda task: "exec format error" in task.text.lower()),
    TaskRule(
        OUT_OF_MEMORY,
        # after a stop that was asked for, 137 means only that the process was slow to end
        lambda task: "OutOfMemory" in task.text or (_ended(task) and 137 in task.exit_codes),
    ),
    TaskRule(SEGMENTATION_FAULT, lambda task: _ended(task) and 139 in task.exit_codes),
    TaskRule(CRASH_LOOP, _ended),
    TaskRule(
        FAILED_HEALTH_CHECKS,
        lambda task: task.stop_code == "ServiceSchedulerInitiated" and "health check" in task.reason,
    ),
)
