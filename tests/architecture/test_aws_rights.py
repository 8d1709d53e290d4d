"""The table of rights at AWS (``surefoot/aws_rights.py``) is that of the calls in the code: none is missing or left."""

import pytest

from contracts.topics import SERVICES, Party
from surefoot.aws_rights import ALONG_WITH, RARELY, RECREATION, RIGHTS
from surefoot.aws_scopes import SCOPES
from tests.security.calls_in_code import APIS, AS_IAM_HAS_IT, calls_in, operations_of

FOR_EVERYBODY = {"sts:GetCallerIdentity", "s3:GetObject", "s3:PutObject"}
"""What each service calls besides: the first needs no permission, the others are for a policy and the audit in S3."""


def called_by(service: Party) -> set[str]:
    return {AS_IAM_HAS_IT.get(operation, operation) for operation in calls_in(service)}


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_has_a_right_for_each_call_and_no_other(service: Party) -> None:
    called, rights = called_by(service), set(RIGHTS[service])
    if service is Party.RECOVERY:
        rights |= set(RECREATION)
    assert sorted(called - rights - FOR_EVERYBODY) == [], "add them to RIGHTS, and to SCOPES where AWS has resources"
    assert sorted(rights - called) == [], "nothing calls them any more"


def test_every_call_in_the_code_is_of_one_of_the_seven() -> None:
    """Code that none of them reaches would have rights that nobody checks."""
    reached = {action for service in SERVICES for action in called_by(service)}
    rights = {action for rights in RIGHTS.values() for action in rights}
    assert reached == rights | set(RECREATION) | {"sts:GetCallerIdentity"}


def test_the_tables_name_no_action_that_nobody_has() -> None:
    actions = {action for rights in RIGHTS.values() for action in rights}
    along = {action for more in ALONG_WITH.values() for action in more}
    assert SCOPES.keys() <= actions | along
    assert ALONG_WITH.keys() <= actions
    assert all(RARELY[service].keys() <= set(RIGHTS[service]) for service in SERVICES)


def test_each_operation_is_one_of_aws() -> None:
    known = {AS_IAM_HAS_IT.get(each, each) for api in APIS for each in operations_of(api).values()}
    assert {action for rights in RIGHTS.values() for action in rights} | set(RECREATION) <= known
