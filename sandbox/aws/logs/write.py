"""Writes the lines of containers to CloudWatch Logs, by their ``awslogs`` options."""

from moto.logs.models import LogsBackend

from sandbox.aws.ecs.tasks import Task


def write(backend: LogsBackend, task: Task, lines: list[str], now: float) -> None:
    """Append ``lines``, stamped ``now``, to ``prefix/container/task``; without options nothing is kept."""
    container = task.container
    options = container.get("logConfiguration", {}).get("options", {})
    group = options.get("awslogs-group")
    if group not in backend.groups:
        return
    stream = f"{options.get('awslogs-stream-prefix', 'ecs')}/{container['name']}/{task.id}"
    if stream not in backend.groups[group].streams:
        backend.create_log_stream(group, stream)
    backend.put_log_events(group, stream, [{"timestamp": int(now * 1000), "message": line} for line in lines])
