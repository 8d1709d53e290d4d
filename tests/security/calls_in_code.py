"""The operations of AWS that a service's code can reach, read from its syntax.

A service reaches all that its own package names, and what that leads to in the plumbing that services share.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import botocore.session
from botocore import xform_name

from contracts.topics import SERVICES

ROOT = Path(__file__).parents[2] / "services"
APIS = (
    "application-autoscaling", "cloudwatch", "ecr", "ec2", "ecs", "elbv2", "iam", "kms", "logs", "rds", "s3",
    "secretsmanager", "service-quotas", "sns", "ssm", "sts", "cloudtrail", "cloudformation", "acm", "efs",
    "servicediscovery",
)  # fmt: skip
IAM_NAMES = {"elbv2": "elasticloadbalancing", "service-quotas": "servicequotas", "efs": "elasticfilesystem"}
"""An API as boto3 names it → as IAM does, where they differ."""

AS_IAM_HAS_IT = {
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
}
"""Operation → the action that authorises it, where that has another name."""


@cache
def operations_of(api: str) -> dict[str, str]:
    """Return boto3's name of each operation of an API → ``service:Operation``, the service as IAM names it."""
    loader = botocore.session.get_session().get_component("data_loader")
    found = loader.load_service_model(api, "service-2")["operations"]
    return {xform_name(operation): f"{IAM_NAMES.get(api, api)}:{operation}" for operation in found}


@cache
def operations() -> dict[str, str]:
    """Return the same of all APIs; of a name that several have, that of the first: ``create_service`` is ECS's."""
    return {name: operation for api in reversed(APIS) for name, operation in operations_of(api).items()}


@dataclass(frozen=True, slots=True)
class _Named:
    """What a piece of code names."""

    where: Path
    names: frozenset[str]
    operations: frozenset[str]


@cache
def calls_in(service: str) -> frozenset[str]:
    """Return ``service:Operation`` of all that a service's code can call."""
    packages, shared = _code()
    found: set[str] = set()
    seen: set[_Named] = set()
    reached = list(packages[service])
    while reached:
        piece = reached.pop()
        if piece in seen:
            continue
        seen.add(piece)
        found |= piece.operations
        for name in piece.names:
            # what begins with _ is known in its own file only
            reached += (other for other in shared[name] if not name.startswith("_") or other.where == piece.where)
    return frozenset(found)


@cache
def _code() -> tuple[dict[str, list[_Named]], dict[str, list[_Named]]]:
    """Return the files of each service, and each function and class of the shared packages by its name."""
    packages: dict[str, list[_Named]] = defaultdict(list)
    shared: dict[str, list[_Named]] = defaultdict(list)
    for path in sorted(ROOT.rglob("*.py")):
        tree, package = ast.parse(path.read_text()), path.relative_to(ROOT).parts[0]
        if package in SERVICES:
            packages[package].append(_named(path, tree))
        else:
            for name, node in _definitions(tree):
                shared[name].append(_named(path, node))
    return packages, shared


def _definitions(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, node


def _named(path: Path, tree: ast.AST) -> _Named:
    names: set[str] = set()
    called: set[str] = set()
    told: set[ast.AST] = set()  # a call comes before what stands in it
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                names.add(name)
            case ast.alias(name=name):
                names.add(name.rpartition(".")[2])
            case ast.Call(args=[ast.Constant(value=str(api)), ast.Constant(value=str(text)) as second, *_]) if (
                api in APIS and text in operations_of(api)
            ):
                called.add(operations_of(api)[text])
                told.add(second)
            case ast.Constant(value=str(text)) if text in operations() and node not in told:
                called.add(operations()[text])
            case _:
                pass
    return _Named(path, frozenset(names), frozenset(called))
