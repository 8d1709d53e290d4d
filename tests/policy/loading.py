"""What the tests of policies share: text in, policies or faults out."""

from collections.abc import Mapping
from textwrap import dedent

from contracts.base import Target
from services._policy.environment import environment_of
from services._policy.faults import PolicyFaults
from services._policy.files import File, Files
from services._policy.load import load
from services._policy.policies import Effective, Policies

ACCOUNT = "123456789012"
OTHER = "210987654321"


def files(*texts: str | bytes, directory: bool = False) -> Files:
    """Return a snapshot of files a.yaml, b.yaml, …"""
    contents = (text if isinstance(text, bytes) else dedent(text).encode() for text in texts)
    return Files(
        tuple(File(f"{name}.yaml", content) for name, content in zip("abcdef", contents, strict=False)),
        directory=directory or len(texts) > 1,
    )


def policies(
    *texts: str | bytes, variables: Mapping[str, str] | None = None, own_account: str | None = ACCOUNT
) -> Policies:
    return load(files(*texts), environment_of(variables or {}), own_account)


def faults(*texts: str | bytes, variables: Mapping[str, str] | None = None, own_account: str | None = ACCOUNT) -> str:
    """Return what is wrong, one line for each fault; empty if nothing is."""
    try:
        policies(*texts, variables=variables, own_account=own_account)
    except PolicyFaults as wrong:
        return str(wrong)
    return ""


def of(loaded: Policies, cluster: str = "prod", service: str = "api") -> Effective:
    return loaded.explain(loaded.find(cluster, service))


def target(service: str = "api", *, cluster: str = "prod", account: str = ACCOUNT, region: str = "us-west-2") -> Target:
    return Target(account=account, region=region, cluster=cluster, service=service)
