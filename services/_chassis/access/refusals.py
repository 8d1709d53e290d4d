"""How a request is refused: problem+json with ``WWW-Authenticate`` by RFC 6750."""

from dataclasses import dataclass, field

from starlette.responses import Response

from contracts.access import Role
from services._chassis.problems import problem_answer

REALM = 'Bearer realm="surefoot"'


class Refused(Exception):
    """A request is refused. The text is a sentence that says what to do."""

    def __init__(self, answer: "Answer", detail: str, *, needs: Role | None = None) -> None:
        super().__init__(detail)
        self.answer = answer
        self.detail = detail
        self.needs = needs

    def response(self) -> Response:
        more = {} if self.needs is None else {"role": str(self.needs)}
        response = problem_answer(self.answer.status, self.answer.title, self.detail, **more)
        if self.answer.challenge:
            response.headers["WWW-Authenticate"] = ", ".join((self.answer.challenge, *self._attributes()))
        response.headers.update(self.answer.headers)
        return response

    def _attributes(self) -> tuple[str, ...]:
        if not self.answer.error:
            return ()
        quoted = "".join(character if " " <= character <= "~" else "?" for character in self.detail)
        quoted = quoted.replace("\\", "/").replace('"', "'")
        scope = () if self.needs is None else (f'scope="{self.needs}"',)
        return (f'error="{self.answer.error}"', f'error_description="{quoted}"', *scope)


@dataclass(frozen=True, slots=True)
class Answer:
    """A kind of refusal."""

    status: int
    title: str
    challenge: str = ""
    error: str = ""
    """The error code of RFC 6750; empty where no credential came."""
    headers: dict[str, str] = field(default_factory=dict)


NO_CREDENTIAL = Answer(401, "Who are you?", REALM)
INVALID_CREDENTIAL = Answer(401, "The credential does not hold", REALM, "invalid_token")
MALFORMED_CREDENTIAL = Answer(400, "The credential cannot be read", REALM, "invalid_request")
NOT_ALLOWED = Answer(403, "Not allowed", REALM, "insufficient_scope")
ONLY_LOOPBACK = Answer(403, "Only this machine is served")
OTHER_HOST = Answer(421, "This is another host")
NO_JSON = Answer(415, "The request must be JSON")
TRY_AGAIN = Answer(503, "Try again", headers={"Retry-After": "5"})
