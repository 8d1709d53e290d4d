"""What AWS refused or could not answer, in a sentence without its values."""

from botocore.exceptions import BotoCoreError, ClientError

Failure = (ClientError, BotoCoreError)


def code(error: Exception) -> str:
    """AWS's code (``AccessDeniedException``), or the kind of failure where there was no answer."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "unknown"))
    return type(error).__name__


def sentence(service: str, operation: str, error: Exception) -> str:
    return f"{service} did not answer {operation}: {code(error)}"
