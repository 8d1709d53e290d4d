"""The policy under which Surefoot reaches every service of the sandbox, as a file."""

from collections.abc import Mapping
from typing import Any

import yaml

from sandbox.aws.accounts import HOME
from sandbox.aws.workloads import EXTERNAL_ID, ROLE, Workload

HEADER = "X-Probe-Token"
"""A header that is sent with the value of each workload's secret; the simulated application requires none."""


def policy_of(urls: Mapping[Workload, str]) -> str:
    """Return the policy as YAML; ``urls``: where each workload's load balancer listens."""
    others = {workload.place.account: workload for workload in urls if workload.place.account != HOME.account}
    document = {
        "version": 1,
        "accounts": {
            account: {"role": f"{workload.roles}/{ROLE}", "external_id": EXTERNAL_ID}
            for account, workload in others.items()
        },
        "services": [_service(workload, url) for workload, url in urls.items()],
    }
    return yaml.safe_dump(document, sort_keys=False)


def _service(workload: Workload, url: str) -> dict[str, Any]:
    account, region = workload.place
    return {
        "account": account,
        "region": region,
        "cluster": workload.cluster,
        "service": workload.service,
        "application": {"url": url, "headers": {HEADER: workload.header_secret}},
        "monitoring": {"metrics_namespace": workload.namespace, "database": workload.database},
    }
