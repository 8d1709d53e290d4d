"""HTTP errors as answers of RFC 9457: problem+json with a status, a title, and a sentence that says what to do."""

from typing import Any

from fastapi.responses import JSONResponse, Response

from contracts.prose import each_text, prose

PROBLEMS: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "A problem (RFC 9457).",
        "content": {
            "application/problem+json": {
                "schema": {
                    "type": "object",
                    "required": ["type", "status", "title", "detail"],
                    "properties": {
                        "type": {"const": "about:blank"},
                        "status": {"type": "integer"},
                        "title": {"type": "string"},
                        "detail": {"type": "string", "description": "A sentence that says what to do."},
                        "errors": {
                            "type": "array",
                            "description": "Each field that does not fit, and what it must be (422).",
                            "items": {
                                "type": "object",
                                "required": ["field", "must"],
                                "properties": {"field": {"type": "string"}, "must": {"type": "string"}},
                            },
                        },
                    },
                }
            }
        },
    }
}
"""How the API's description has every answer but the good ones, as FastAPI's ``responses``."""
RETRY_SECONDS = 5
"""Real seconds of ``Retry-After``: when a caller may try again."""


def problem_answer(status: int, title: str, detail: str, **more: Any) -> Response:
    body = {"type": "about:blank", "status": status, "title": title, "detail": detail, **more}
    return JSONResponse(each_text(body, prose), status, media_type="application/problem+json")


def try_again(detail: str) -> Response:
    response = problem_answer(503, "Try again", detail)
    response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response
