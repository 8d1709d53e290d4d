"""The settings of recovery. The rest is in the policy of each service."""

from typing import Annotated

from pydantic import StringConstraints

from contracts.base import AccountId
from services._chassis import settings


class Settings(settings.Settings):
    backup_bucket: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
    """The S3 bucket of the snapshots. It is required: without it nothing could be brought back."""
    backup_bucket_owner: AccountId | None = None
    """The account that the bucket must belong to; without it, the account of the credentials. S3 refuses every call on
    another account's bucket, so that nothing is written to, or read from, a stranger's bucket of that name."""
    backup_kms_key: (
        Annotated[
            str,
            StringConstraints(
                pattern=r"^(arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:)?(key/|alias/)?[A-Za-z0-9/_-]{1,250}$",
            ),
        ]
        | None
    ) = None
    """The KMS key that encrypts snapshots: its id, its ARN or an alias (``alias/…``). Without one, S3's own key.
    Recovery needs ``kms:GenerateDataKey`` and ``kms:Decrypt`` on it."""
