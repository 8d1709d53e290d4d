"""The record of a job that changes a service: by it a call in CloudTrail is known to be ours when the state is not."""


def acted_key(job: str) -> str:
    return f"acted:{job}"


def of_run(run_id: str, job: str) -> dict[str, bytes]:
    """Return the record of a run's change, as ``Decision.records`` takes it."""
    return {acted_key(job): f"the run {run_id}".encode()}


def of_raising_again(scaling_id: str, job: str) -> dict[str, bytes]:
    """Return the record of the job that raises the count of an emergency scaling again."""
    return {acted_key(job): f"the emergency scaling {scaling_id}, raised again".encode()}


def of_scaling(scaling_id: str, job: str) -> dict[str, bytes]:
    """Return the record of the job that restores what an emergency scaling had set."""
    return {acted_key(job): f"the end of the emergency scaling {scaling_id}".encode()}
