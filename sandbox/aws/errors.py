"""Error answers of the simulated AWS."""


class AwsFault(Exception):
    """An error answer: ``code`` is what a client sees as its error code, ``status`` the HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
