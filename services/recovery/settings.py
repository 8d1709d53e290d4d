"""Recovery's settings, beside the policy of each service."""

from typing import Annotated

from pydantic import StringConstraints

from services._chassis import settings


class Settings(settings.Settings):
    backup_bucket: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
    """The S3 bucket of the snapshots. It is required: without it nothing could be brought back."""
    backup_bucket_owner: Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$")] | None = None
    """The account that the bucket must belong to; without it, the account of the credentials. S3 refuses every call on
    another account's bucket, so that nothing is written to, or read from, a stranger's bucket of that name."""
