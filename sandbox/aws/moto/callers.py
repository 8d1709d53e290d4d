"""Who calls, by the access key that signed."""

from moto.sts.models import sts_backends

from sandbox.aws.accounts import ACCOUNT


def caller_of(access_key: str) -> str:
    """The ARN of the role's session that STS gave the key to; of a user of the key's name for any other."""
    assumed = sts_backends[ACCOUNT]["aws"].get_assumed_role_from_access_key(access_key)
    return str(assumed.arn) if assumed is not None else f"arn:aws:iam::{ACCOUNT}:user/{access_key or 'anonymous'}"
