"""Tokens of pipelines: wrong, expired, of others, unsigned; keys that rotate, and a server of keys that is away."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from contracts.access import Issuer, Pipeline, Role
from contracts.policy import Callers, ServicePolicy
from services._chassis.access import key_sets
from services._chassis.access.key_sets import KeySets, NoKeysNow
from services._chassis.access.tokens import usable_keys
from services._chassis.http import PREFIX
from services._policy.callers import Identities
from tests.kit import FakePolicies
from tests.security.access import OURS, bearer, client, guarded
from tests.security.test_fuzz import NOW

GITHUB = "https://token.actions.githubusercontent.com"
GITLAB = "https://gitlab.example.com"
RSA = [rsa.generate_private_key(65537, 2048) for _ in range(3)]
EC = ec.generate_private_key(ec.SECP256R1())
STATUS = f"{PREFIX}/deployment-orchestration/overview"
KNOWN = Identities(
    {
        "github": Issuer(url=GITHUB, kind="github", audience="https://surefoot.example.com"),
        "gitlab": Issuer(url=GITLAB, kind="gitlab", audience="surefoot"),
    },
    {
        "payments": Pipeline(
            issuer="github",
            repository_id="1001",
            owner_id="42",
            refs=("refs/heads/main", "refs/tags/v*"),
            environments=("production",),
        ),
        "staging": Pipeline(issuer="github", repository_id="1001", owner_id="42", environments=("staging",)),
        "nightly": Pipeline(issuer="github", repository_id="1001", owner_id="42", refs=("refs/heads/nightly",)),
        "shop": Pipeline(issuer="gitlab", repository_id="7", owner_id="3", refs=("refs/heads/main",)),
    },
)
GITHUBS: dict[str, Any] = {
    "iss": GITHUB,
    "aud": "https://surefoot.example.com",
    "sub": "repo:acme@42/payments@1001:environment:production",
    "exp": NOW + 300,
    "iat": NOW + 5,
    "nbf": NOW - 600,
    "jti": "f00d",
    "run_id": "77",
    "repository": "acme/payments",
    "repository_id": "1001",
    "repository_owner_id": "42",
    "ref": "refs/heads/main",
    "environment": "production",
    "event_name": "push",
}
"""A token as GitHub's are: issued some seconds in our future, and held to be good since long before."""
GITLABS: dict[str, Any] = {
    "iss": GITLAB,
    "aud": "surefoot",
    "exp": NOW + 300,
    "iat": NOW,
    "project_id": "7",
    "namespace_id": "3",
    "pipeline_source": "push",
    "ref": "main",
    "ref_path": "refs/heads/main",
    "ref_protected": "true",
}


def public(key_id: str, key: Any, **more: Any) -> dict[str, Any]:
    algorithm = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": key_id, "use": "sig", **more}


def signed(
    claims: Mapping[str, Any], key: Any = RSA[0], key_id: str | None = "k1", alg: str = "RS256", **header: Any
) -> str:
    named = {"kid": key_id} if key_id is not None else {}
    return jwt.encode(dict(claims), key, algorithm=alg, headers={**named, **header})


def by_hand(header: Mapping[str, Any], claims: Mapping[str, Any], secret: bytes | None = None) -> str:
    """Return a token that no library would make."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims)]
    text = b".".join(parts)
    signature = hmac.new(secret, text, hashlib.sha256).digest() if secret is not None else b""
    return (text + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


@dataclass
class Servers:
    """The issuers' servers of keys, and their clock."""

    sets: dict[str, list[dict[str, Any]]] = field(
        default_factory=lambda: {GITHUB: [public("k1", RSA[0])], GITLAB: [public("k1", RSA[1]), public("e1", EC)]}
    )
    fetched: list[str] = field(default_factory=list)
    time: float = 0.0
    away: Exception | None = None

    async def fetch(self, url: str) -> bytes:
        self.fetched.append(url)
        await asyncio.sleep(0)
        if self.away is not None:
            raise self.away
        issuer = url.removesuffix("/.well-known/jwks").removesuffix("/oauth/discovery/keys")
        return json.dumps({"keys": self.sets[issuer]}).encode()

    def key_sets(self) -> KeySets:
        return KeySets(self.fetch, lambda: self.time)


def policies(**given: tuple[str, ...]) -> FakePolicies:
    found = FakePolicies(ServicePolicy(target=OURS, access=Callers.model_validate(given)))
    found.known = KNOWN
    return found


async def ask(
    token: str, servers: Servers | None = None, issuers: KeySets | None = None, now: float = NOW
) -> httpx2.Response:
    everybody = tuple(f"pipeline:{name}" for name in KNOWN.pipelines)
    http, _ = guarded(policies=policies(viewers=everybody), issuers=issuers or Servers().key_sets(), now=lambda: NOW)
    async with client(http) as web:
        return await web.get(STATUS, headers=bearer(token))


def without(claims: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in claims.items() if name not in names}


RIGHT = {
    "GitHub's": signed(GITHUBS),
    "of a tag": signed(GITHUBS | {"ref": "refs/tags/v1.2.3"}),
    "of an environment alone": signed(GITHUBS | {"environment": "staging", "ref": "refs/heads/any"}),
    "without what an earlier pipeline asks for": signed(
        without(GITHUBS, "environment") | {"ref": "refs/heads/nightly"}
    ),
    "just expired, by our clock": signed(GITHUBS | {"exp": NOW - 59}),
    "issued in our future": signed(GITHUBS | {"iat": NOW + 59, "nbf": NOW + 59}),
    "held to be good after it was issued": signed(GITHUBS | {"iat": NOW - 100, "nbf": NOW - 10}),
    "without nbf": signed(without(GITHUBS, "nbf")),
    "with a sub of any form": signed(GITHUBS | {"sub": "repo:evil/evil:ref:refs/heads/x"}),
    "for several audiences": signed(GITHUBS | {"aud": ["other", "https://surefoot.example.com"]}),
    "GitLab's": signed(GITLABS, RSA[1]),
    "GitLab's with ES256": signed(GITLABS, EC, "e1", "ES256"),
}


@pytest.mark.parametrize("name", RIGHT)
async def test_a_right_token(name: str) -> None:
    answer = await ask(RIGHT[name])
    assert answer.status_code == 200, answer.text


HEADER = {"alg": "RS256", "kid": "k1", "typ": "JWT"}
WRONG: dict[str, tuple[str, str]] = {
    "no token": ("x.y.z", "neither an API key of Surefoot nor a token"),
    "no JSON": (f"{base64.urlsafe_b64encode(b'[1]').decode().rstrip('=')}.e30.", "neither an API key"),
    "too long": (signed(GITHUBS | {"pad": "x" * 9_000}), "characters at most"),
    "expired": (signed(GITHUBS | {"exp": NOW - 60}), "has expired"),
    "not yet": (signed(GITHUBS | {"nbf": NOW + 61}), "`nbf`"),
    "of the future": (signed(GITHUBS | {"iat": NOW + 61}), "`iat`"),
    "no time": (signed(GITHUBS | {"exp": "later"}), "`exp` is no time"),
    "a time of 400 digits": (signed(GITHUBS | {"iat": 10**400}), "in the future"),
    "true is no time": (signed(GITHUBS | {"iat": True}), "`iat` is no time"),
    "no exp": (signed(without(GITHUBS, "exp")), "no claim `exp`"),
    "no iat": (signed(without(GITHUBS, "iat")), "no claim `iat`"),
    "no aud": (signed(without(GITHUBS, "aud")), "no claim `aud`"),
    "another audience": (signed(GITHUBS | {"aud": "sts.amazonaws.com"}), "another audience"),
    "the other issuer's audience": (signed(GITHUBS | {"aud": "surefoot"}), "another audience"),
    "a part of the audience": (signed(GITHUBS | {"aud": "https://surefoot.example.com/"}), "another audience"),
    "another issuer": (signed(GITHUBS | {"iss": "https://evil.example.com"}), "no issuer"),
    "an issuer that begins alike": (signed(GITHUBS | {"iss": f"{GITHUB}.evil.com"}), "no issuer"),
    "an issuer with a slash": (signed(GITHUBS | {"iss": f"{GITHUB}/"}), "no issuer"),
    "no issuer": (signed(without(GITHUBS, "iss")), "no issuer"),
    "a list of issuers": (by_hand(HEADER, GITHUBS | {"iss": [GITHUB]}), "n"),
    "the other issuer's key of the same name": (signed(GITHUBS, RSA[1]), "signature does not hold"),
    "an unknown key": (signed(GITHUBS, RSA[2], "k9"), "no such key"),
    "a known key's name": (signed(GITHUBS, RSA[2]), "signature does not hold"),
    "no key named": (signed(GITHUBS, key_id=None), "`kid`"),
    "alg none": (by_hand({"alg": "none", "kid": "k1"}, GITHUBS), "signed by RS256 or ES256"),
    "alg None": (by_hand({"alg": "nOnE", "kid": "k1"}, GITHUBS), "signed by RS256 or ES256"),
    "no alg": (by_hand({"kid": "k1"}, GITHUBS), "n"),
    "RS256 without a signature": (by_hand(HEADER, GITHUBS), "signature does not hold"),
    "HMAC with the public key": (
        by_hand({"alg": "HS256", "kid": "k1"}, GITHUBS, json.dumps(public("k1", RSA[0])).encode()),
        "signed by RS256 or ES256",
    ),
    "another hash": (signed(GITHUBS, alg="RS512"), "signed by RS256 or ES256"),
    "PSS": (signed(GITHUBS, alg="PS256"), "signed by RS256 or ES256"),
    "a key in the token": (signed(GITHUBS, RSA[2], "k1", jwk=public("k1", RSA[2])), "signature does not hold"),
    "a key's address in the token": (
        signed(GITHUBS, RSA[2], "k1", jku="https://evil.example.com"),
        "signature does not",
    ),
    "a demand that is not understood": (signed(GITHUBS, crit=["b64"], b64=True), "n"),
    "another repository": (signed(GITHUBS | {"repository_id": "1002"}), "no pipeline"),
    "the same name, another number": (signed(GITHUBS | {"repository_id": "1001 "}), "no pipeline"),
    "another owner": (signed(GITHUBS | {"repository_owner_id": "43"}), "no pipeline"),
    "a number that is none": (signed(GITHUBS | {"repository_id": 1001}), "`repository_id` is no text"),
    "another branch": (
        signed(GITHUBS | {"ref": "refs/heads/feature"}),
        "`ref` is none of its refs",
    ),
    "a branch that begins alike": (signed(GITHUBS | {"ref": "refs/heads/main2"}), "not of the pipeline"),
    "a branch named as a tag": (signed(GITHUBS | {"ref": "refs/heads/refs/tags/v1"}), "not of the pipeline"),
    "a pull request": (
        signed(GITHUBS | {"event_name": "pull_request", "ref": "refs/pull/7/merge"}),
        "`event_name` is none of its events",
    ),
    "a pull request that names the environment": (
        signed(GITHUBS | {"event_name": "pull_request", "environment": "staging"}),
        "`event_name`",
    ),
    "pull_request_target": (signed(GITHUBS | {"event_name": "pull_request_target"}), "`event_name`"),
    "no environment": (signed(without(GITHUBS, "environment")), "no claim `environment`"),
    "no ref": (signed(without(GITHUBS, "ref")), "no claim `ref`"),
    "no event": (signed(without(GITHUBS, "event_name")), "no claim `event_name`"),
    "no repository id": (signed(without(GITHUBS, "repository_id")), "no claim `repository_id`"),
    "no owner id": (signed(without(GITHUBS, "repository_owner_id")), "no claim `repository_owner_id`"),
    "not protected": (signed(GITLABS | {"ref_protected": "false"}, RSA[1]), "`ref_protected` is not"),
    "protected as a boolean": (signed(GITLABS | {"ref_protected": True}, RSA[1]), "`ref_protected` is no text"),
    "protection unknown": (signed(without(GITLABS, "ref_protected"), RSA[1]), "no claim `ref_protected`"),
    "a merge request in the parent": (
        signed(GITLABS | {"pipeline_source": "merge_request_event"}, RSA[1]),
        "`pipeline_source`",
    ),
    "GitLab's project under GitHub's name": (
        signed(without(GITLABS, "project_id") | {"repository_id": "7"}, RSA[1]),
        "no claim `project_id`",
    ),
}


@pytest.mark.parametrize("name", WRONG)
async def test_a_wrong_token_is_refused_and_says_why(name: str) -> None:
    token, why = WRONG[name]
    answer = await ask(token)
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert why in answer.json()["detail"]
    assert token not in answer.text


async def test_a_pipeline_has_the_roles_of_its_name_and_is_the_actor() -> None:
    http, decisions = guarded(
        policies=policies(deployers=("pipeline:payments",)), issuers=Servers().key_sets(), now=lambda: NOW
    )
    url = f"{PREFIX}/deployment-orchestration/orchestrate/Main/api"
    tokens = signed(GITHUBS), signed(GITHUBS | {"environment": "staging"})
    async with client(http) as web:
        body = {"image": "web:1", "actor": "dan"}
        answers = [await web.post(url, json=body, headers=bearer(token)) for token in tokens]
    assert [answer.status_code for answer in answers] == [202, 403]
    caller = decisions[0].caller
    assert caller is not None
    assert (caller.name, caller.credential, caller.role) == ("pipeline:payments", "77", None)
    assert "role" in answers[1].json()
    assert answers[1].json()["role"] == Role.DEPLOYER


async def test_an_issuer_in_the_policy_ends_the_days_of_loopback() -> None:
    http, _ = guarded(policies=policies(), served="loopback")
    async with client(http, "127.0.0.1") as web:
        assert (await web.get(STATUS)).status_code == 401


async def test_a_policy_that_names_no_issuer_any_more_opens_nothing_to_loopback() -> None:
    given = policies()
    http, _ = guarded(policies=given, served="loopback")
    async with client(http, "127.0.0.1") as web:
        assert (await web.get(STATUS)).status_code == 401
        given.known = Identities()
        assert (await web.get(STATUS)).status_code == 401


async def test_keys_are_fetched_once_and_only_from_the_token_s_issuer() -> None:
    servers = Servers()
    issuers = servers.key_sets()
    for _ in range(5):
        assert (await ask(signed(GITHUBS), issuers=issuers)).status_code == 200
    assert servers.fetched == [f"{GITHUB}/.well-known/jwks"]
    assert (await ask(signed(GITLABS, RSA[1]), issuers=issuers)).status_code == 200
    assert servers.fetched[1:] == [f"{GITLAB}/oauth/discovery/keys"]


async def test_random_names_of_keys_cause_one_fetch_in_half_a_minute() -> None:
    servers = Servers()
    issuers = servers.key_sets()
    assert (await ask(signed(GITHUBS, key_id="r"), issuers=issuers)).status_code == 401
    answers = [await ask(signed(GITHUBS, key_id=f"r{number}"), issuers=issuers) for number in range(50)]
    assert {answer.status_code for answer in answers} == {503}  # it could be a key that is new since
    assert answers[0].headers["retry-after"]
    assert (await ask(signed(GITHUBS, key_id="r"), issuers=issuers)).status_code == 401
    assert (await ask(signed(GITHUBS), issuers=issuers)).status_code == 200
    assert len(servers.fetched) == 1
    servers.time += 31
    assert (await ask(signed(GITHUBS, key_id="r0"), issuers=issuers)).status_code == 401
    assert len(servers.fetched) == 2


async def test_fifty_at_once_fetch_once() -> None:
    servers = Servers()
    issuers = servers.key_sets()
    url = f"{GITHUB}/.well-known/jwks"
    found = await asyncio.gather(*(issuers.find(url, "k1") for _ in range(50)))
    assert None not in found
    assert len(servers.fetched) == 1


async def test_a_rotated_key_is_believed_and_the_old_one_no_more() -> None:
    servers = Servers()
    issuers = servers.key_sets()
    assert (await ask(signed(GITHUBS), issuers=issuers)).status_code == 200
    servers.sets[GITHUB] = [public("k2", RSA[2])]
    servers.time += 31
    assert (await ask(signed(GITHUBS, RSA[2], "k2"), issuers=issuers)).status_code == 200
    servers.time += 31
    assert (await ask(signed(GITHUBS), issuers=issuers)).status_code == 401


async def test_keys_are_renewed_in_the_background() -> None:
    servers = Servers()
    issuers = servers.key_sets()
    url = f"{GITHUB}/.well-known/jwks"
    await issuers.find(url, "k1")
    servers.time += key_sets.FRESH_SECONDS + 1
    assert await issuers.find(url, "k1") is not None
    assert len(servers.fetched) == 1, "the caller does not wait for it"
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(servers.fetched) == 2


@pytest.mark.parametrize("error", [httpx2.ConnectError("away"), ValueError("it answered 500"), TimeoutError()])
async def test_while_the_server_of_keys_is_away_the_last_good_ones_hold_for_a_day(error: Exception) -> None:
    servers = Servers()
    issuers = servers.key_sets()
    assert (await ask(signed(GITHUBS), issuers=issuers)).status_code == 200
    servers.away = error
    for _ in range(23):
        servers.time += 3600
        assert (await ask(signed(GITHUBS), issuers=issuers)).status_code == 200
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    (fault,) = issuers.faults({f"{GITHUB}/.well-known/jwks"})
    assert "hold for a day at most" in fault
    servers.time += 3601
    answer = await ask(signed(GITHUBS), issuers=issuers)
    assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
    servers.away = None
    servers.time += 31
    assert (await ask(signed(GITHUBS), issuers=issuers)).status_code == 200
    assert issuers.faults({f"{GITHUB}/.well-known/jwks"}) == []


async def test_a_fault_of_the_keys_is_in_readyz_for_those_who_may_see_it() -> None:
    servers = Servers(away=TimeoutError())
    http, _ = guarded(policies=policies(), issuers=servers.key_sets(), served="open")
    async with client(http) as web:
        assert (await web.get(STATUS, headers=bearer(signed(GITHUBS)))).status_code == 503
        (sentence,) = (await web.get("/readyz")).json()["degraded"]
    assert "its tokens are not believed" in sentence


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"keys": {}}', b'{"keys": []}', b'{"keys": [1, null]}', b"\xff", b"[" * 9_999]
)
async def test_an_answer_that_is_no_set_changes_nothing(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    servers = Servers()
    issuers = servers.key_sets()
    url = f"{GITHUB}/.well-known/jwks"
    assert await issuers.find(url, "k1") is not None

    async def broken(_: str) -> bytes:
        return body

    monkeypatch.setattr(issuers, "_fetch", broken)
    servers.time += 31
    with pytest.raises(NoKeysNow):
        await issuers.find(url, "k2")
    assert await issuers.find(url, "k1") is not None


def test_only_public_keys_of_the_right_kinds_are_taken() -> None:
    short = rsa.generate_private_key(65537, 1024)
    curve = ec.generate_private_key(ec.SECP384R1())
    secret = base64.urlsafe_b64encode(b"s" * 32).decode().rstrip("=")
    entries = [
        public("right", RSA[0]),
        public("p256", EC),
        public("short", short),
        public("p384", curve),
        public("for encryption", RSA[1], use="enc"),
        {"kty": "oct", "kid": "hmac", "k": secret, "use": "sig"},
        {"kty": "oct", "kid": "right too", "k": secret, "alg": "RS256"},
        {"kty": "RSA", "kid": "broken", "n": "!", "e": "AQAB"},
        {"kty": "RSA", "kid": 7},
        {**RSAAlgorithm.to_jwk(RSA[0], as_dict=True), "kid": "private"},
        "no entry",
    ]
    assert usable_keys({"keys": entries}).keys() == {"right", "p256"}


async def test_a_set_is_fetched_whole_within_bounds_and_without_redirects(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(str(request.url))
        if request.url.path == "/large":
            return httpx2.Response(200, content=parts(key_sets.LARGEST_SET))
        if request.url.path == "/moved":
            return httpx2.Response(302, headers={"location": "https://evil.example.com"})
        return httpx2.Response(200, content=parts(1))

    async def parts(size: int) -> AsyncIterator[bytes]:
        yield b"{}"
        yield b" " * (size - 1)

    made = httpx2.AsyncClient
    monkeypatch.setattr(httpx2, "AsyncClient", lambda **given: made(transport=httpx2.MockTransport(answer), **given))
    assert await key_sets.fetched("https://issuer.example.com/right") == b"{}"
    for path in ("large", "moved"):
        with pytest.raises(ValueError, match=r"too large|answered 302"):
            await key_sets.fetched(f"https://issuer.example.com/{path}")
    assert len(asked) == 3
