"""HTTP errors as answers of RFC 9457: problem+json with a status, a title, and a sentence that says what to do."""

from typing import Any

from fastapi.responses import JSONResponse, Response

from contracts.prose import each_text, prose

RETRY_SECONDS = 5
"""Real seconds of ``Retry-After``: when a caller may try again."""


def problem_answer(status: int, title: str, detail: str, **more: Any) -> Response:
    body = {"type": "about:blank", "status": status, "title": title, "detail": detail, **more}
    return JSONResponse(each_text(body, prose), status, media_type="application/problem+json")


def try_again(detail: str) -> Response:
    response = problem_answer(503, "Try again", detail)
    response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response
