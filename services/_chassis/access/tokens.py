"""Tokens of pipelines (OIDC): what must hold for one to be believed, and whose it is. Pure.

The issuer comes first, by exact match, and then only its own keys count. Whose token it is, is told by the numbers of
the repository and its owner, which nobody can take over as a name can be; by the branch or tag, the environment, and
what started the pipeline. ``sub`` is never looked at: its form differs by repository and year.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from contracts.access import Issuer, Pipeline
from services._policy.callers import Identities

LEEWAY_SECONDS = 60
"""The issuer's clock may differ so much from ours: GitHub's tokens are issued some seconds in our future."""
LONGEST_TOKEN = 8_192
LATEST = 2.0**40
"""Epoch seconds; a later time is this one, so that it can be reckoned with."""
LEAST_RSA_BITS = 2_048
PublicKey = RSAPublicKey | EllipticCurvePublicKey


class Disbelieved(Exception):
    """A token proves nobody. The text says why, without the token, as a sentence without its full stop."""


@dataclass(frozen=True, slots=True)
class Unverified:
    """What a token says of itself, which nobody has proven yet."""

    text: str
    issuer: Issuer
    issuer_name: str
    key_id: str


def read(text: str, known: Identities) -> Unverified:
    """Return who says to have issued a token, and which key it says to be signed with. Raise ``Disbelieved``."""
    if len(text) > LONGEST_TOKEN:
        raise Disbelieved(f"a token has {LONGEST_TOKEN:,} characters at most")
    try:
        header = jwt.get_unverified_header(text)
        claims = jwt.decode(text, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise Disbelieved("this is neither an API key of Surefoot nor a token") from None
    url = claims.get("iss")
    name = next((name for name, issuer in known.issuers.items() if issuer.url == url), None)
    if name is None:
        raise Disbelieved("the policy names no issuer with the token's `iss`")
    if header.get("alg") not in _ALGORITHMS.values():
        raise Disbelieved(f"a token must be signed by {' or '.join(_ALGORITHMS.values())}")
    if "crit" in header:
        raise Disbelieved("the token demands what is not understood here (`crit`)")
    key_id = header.get("kid")
    if not isinstance(key_id, str) or not 0 < len(key_id) <= 200:
        raise Disbelieved("the token does not name its key (`kid`)")
    return Unverified(text, known.issuers[name], name, key_id)


_ALGORITHMS: Mapping[type[Any], str] = {RSAPublicKey: "RS256", EllipticCurvePublicKey: "ES256"}


def usable_keys(document: Any) -> dict[str, PublicKey]:
    """Return the keys of a JWK set by their ids; what is no public key for signatures of ours is left out.

    A symmetric key (``kty: oct``) would be one that everybody has. Raise ``ValueError`` for what is no set.
    """
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise ValueError("no list of keys")  # noqa: TRY004  it came from outside
    found: dict[str, PublicKey] = {}
    for entry in entries[:100]:
        key_id = entry.get("kid") if isinstance(entry, dict) else None
        if isinstance(key_id, str) and entry.get("use", "sig") == "sig" and (key := _public(entry)) is not None:
            found[key_id] = key
    return found


def _public(entry: dict[str, Any]) -> PublicKey | None:
    if entry.get("kty") not in {"RSA", "EC"} or "d" in entry:
        return None
    try:
        key = jwt.PyJWK.from_dict(entry, algorithm="RS256" if entry["kty"] == "RSA" else "ES256").key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    if isinstance(key, RSAPublicKey):
        return key if key.key_size >= LEAST_RSA_BITS else None
    return key if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1) else None


def verified(token: Unverified, key: PublicKey | None, now: float) -> dict[str, Any]:
    """Return the claims of a token that ``key`` has signed for us and that holds now. Raise ``Disbelieved``.

    The algorithm is the key's, whatever the token says. ``key``: None where the issuer has none with the token's id.
    ``now``: epoch seconds.
    """
    if key is None:
        raise Disbelieved("the token's issuer has no such key (`kid`)")
    algorithm = next(name for kind, name in _ALGORITHMS.items() if isinstance(key, kind))
    try:
        claims: dict[str, Any] = jwt.decode(
            token.text,
            key,
            algorithms=[algorithm],
            audience=token.issuer.audience,
            issuer=token.issuer.url,
            options={
                "require": ["exp", "iat", "aud", "iss"],
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
                "verify_sub": False,
            },
        )
    except jwt.MissingRequiredClaimError as error:
        raise Disbelieved(f"the token has no claim `{error.claim}`") from None
    except jwt.InvalidAudienceError:
        raise Disbelieved("the token is for another audience than the policy names for its issuer") from None
    except (jwt.PyJWTError, ValueError, TypeError):
        raise Disbelieved("the token's signature does not hold") from None
    _within(claims, now)
    return claims


def _within(claims: Mapping[str, Any], now: float) -> None:
    """Each moment is compared with now alone: GitHub backdates ``nbf`` to before ``iat``."""
    if now >= _moment(claims, "exp") + LEEWAY_SECONDS:
        raise Disbelieved("the token has expired")
    if now < _moment(claims, "iat") - LEEWAY_SECONDS:
        raise Disbelieved("the token is issued in the future (`iat`)")
    if "nbf" in claims and now < _moment(claims, "nbf") - LEEWAY_SECONDS:
        raise Disbelieved("the token does not hold yet (`nbf`)")


def _moment(claims: Mapping[str, Any], name: str) -> float:
    at = claims[name]
    if isinstance(at, bool) or not isinstance(at, int | float) or (isinstance(at, float) and not isfinite(at)):
        raise Disbelieved(f"the token's claim `{name}` is no time")
    return float(max(0, min(at, LATEST)))


_CLAIMS = {
    "github": ("repository_id", "repository_owner_id", "event_name", "ref"),
    "gitlab": ("project_id", "namespace_id", "pipeline_source", "ref_path"),
}
"""Kind of issuer → its claims for repository, owner, event and ref in full."""


def pipeline_of(token: Unverified, claims: Mapping[str, Any], known: Identities) -> str:
    """Return the name of the first pipeline of the policy that a token is of.

    Raise ``Disbelieved``, which names a claim that is missing, or that of the last one that does not fit: of the
    pipelines of the token's repository, since what others are bound to is nobody's business.
    """
    kind = token.issuer.kind
    repository, owner, *_ = _CLAIMS[kind]
    why = f"the policy has no pipeline with the token's `{repository}` and `{owner}`"
    numbers, missing = (_text(claims, repository), _text(claims, owner)), ""
    for name, pipeline in known.pipelines.items():
        if (pipeline.issuer, pipeline.repository_id, pipeline.owner_id) == (token.issuer_name, *numbers):
            try:
                misfit = _misfit(pipeline, claims, kind)
            except Disbelieved as lack:  # another pipeline may not ask for this claim
                missing, misfit = missing or str(lack), str(lack)
            if not misfit:
                return name
            why = f"the token is not of the pipeline {name}: {misfit}"
    raise Disbelieved(missing or why)


def run_of(claims: Mapping[str, Any]) -> str:
    """Return which run of the pipeline it was, as its issuer numbers them; empty where it does not say."""
    found = (claims.get(name) for name in ("run_id", "job_id", "jti"))
    return next((text[:100] for text in found if isinstance(text, str) and text.isprintable()), "")


def _misfit(pipeline: Pipeline, claims: Mapping[str, Any], kind: str) -> str:
    """Return why a token is not of a pipeline; empty if it is. Raise ``Disbelieved`` for a claim that is missing."""
    _, _, event, ref = _CLAIMS[kind]
    if _text(claims, event) not in pipeline.events:
        return f"`{event}` is none of its events"
    if pipeline.refs:
        if not any(_is_of(_text(claims, ref), pattern) for pattern in pipeline.refs):
            return f"`{ref}` is none of its refs"
        # a text, as all of GitLab's: "false" would count as true
        if kind == "gitlab" and _text(claims, "ref_protected") != "true":
            return '`ref_protected` is not "true"'
    if pipeline.environments and _text(claims, "environment") not in pipeline.environments:
        return "`environment` is none of its environments"
    return ""


def _is_of(ref: str, pattern: str) -> bool:
    return ref.startswith(pattern[:-1]) if pattern.endswith("*") else ref == pattern


def _text(claims: Mapping[str, Any], name: str) -> str:
    """Return a claim. Raise ``Disbelieved`` where it is missing, or no text."""
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise Disbelieved(f"the token has no claim `{name}`" if value is None else f"the claim `{name}` is no text")
    return value
