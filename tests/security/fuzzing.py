"""Inputs that nobody thought of: examples with one part replaced, requests made of the API's own description."""

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_from_bytes

import hypothesis.strategies as st

ODD_TEXTS = (
    "",
    " ",
    "\x00",
    "\x1b[31mred",
    "\n",
    "a/b/c/d",
    "../../etc",
    "%2e%2e%2f",
    "١٢٣",
    "\uff21\uff22",
    "\u202e\ufeff",
    "😀" * 50,
    "x" * 300,
    "x" * 2_000,
    "{}",
    "null",
    "1e999",
    "NaN",
    "-1",
    "9" * 400,
    "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00+14:00",
    "2026-01-05T12:00:00",
    "123456789012/us-west-2/c/s",
    "arn:aws:ecs:us-west-2:123456789012:service/c/s",
    "r@sha256:" + "0" * 64,
    "${jndi:ldap://a}",
    "<script>alert(1)</script>",
    "'; DROP TABLE runs; --",
)
ODD_NUMBERS = (0, -1, 1, 2**31, 2**53, -(2**53), 2**63, 10**300, 1e-320, 1.5, 1e300, -1e300, 1e308)
ODD_TIMES = (
    "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59-12:00",
    "0001-01-01T00:00:00+14:00",
    "1969-12-31T23:59:59Z",
    "1970-01-01T00:00:00Z",
    "2199-12-31T23:59:59Z",
    "2026-01-05T12:00:00",
    "2026-01-05",
    "2026-01-05T12:00:00+23:59",
    0,
    -1,
    1e12,
    253402300799,
)
RAW = (
    b"1e999",
    b"-1e999",
    b"NaN",
    b"Infinity",
    b'"\\ud800"',
    b"[" * 300,
    b"1" + b"0" * 400,
    b'"\xff"',
    b"",
    b"{",
    b"01",
)
"""What is put into JSON as it stands."""

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
    | st.sampled_from(ODD_TEXTS)
    | st.sampled_from(ODD_NUMBERS)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | st.sampled_from(ODD_TEXTS), inner)
    ),
    max_leaves=8,
)


def like(part: Any) -> st.SearchStrategy[Any]:
    """Return odd values of the same kind, which a contract is more likely to take."""
    if isinstance(part, str) and part[:3] == "202" and "T" in part:
        return st.sampled_from(ODD_TIMES)
    if isinstance(part, str):
        return st.sampled_from(ODD_TEXTS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
    if isinstance(part, bool):
        return st.booleans()
    if isinstance(part, int | float):
        return st.sampled_from(ODD_NUMBERS) | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    if isinstance(part, list):
        return st.sampled_from([[], part * 2, part * 50, part[:1]])
    return values


def paths(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the paths of all parts of a document, its own included."""
    yield path
    entries: Any = ()
    if isinstance(document, dict):
        entries = document.items()
    elif isinstance(document, list):
        entries = enumerate(document)
    for key, value in entries:
        yield from paths(value, (*path, key))


def part_of(document: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        document = document[key]
    return document


def replaced(document: Any, path: tuple[Any, ...], part: Any) -> Any:
    """Return the document with another part under ``path``."""
    if not path:
        return part
    key, *rest = path
    copy = dict(document) if isinstance(document, dict) else list(document)
    copy[key] = replaced(document[key], tuple(rest), part)
    return copy


@st.composite
def mutated(draw: st.DrawFn, example: str) -> bytes:
    """Draw an example's JSON in which up to three parts are others."""
    document = json.loads(example)
    for _ in range(draw(st.integers(0, 3))):
        path = draw(st.sampled_from(list(paths(document))[1:] or [()]))
        odd = like(part_of(document, path)) if draw(st.integers(0, 3)) else values
        document = replaced(document, path, draw(odd))
    text = json.dumps(document).encode(errors="surrogatepass")
    if draw(st.integers(0, 3)) == 0:
        where = list(paths(document))
        marked = json.dumps(replaced(document, draw(st.sampled_from(where)), "@@@")).encode(errors="surrogatepass")
        text = marked.replace(b'"@@@"', draw(st.sampled_from(RAW)), 1)
    if draw(st.integers(0, 9)) == 0:
        text = text[: draw(st.integers(0, len(text)))]
    return text


def filled(path: str, given: Mapping[str, str]) -> str:
    """Return a path of the API's description with its parameters, each quoted."""
    for name, value in given.items():
        path = path.replace("{" + name + "}", quote(value, safe="") or "-")
    return path


@st.composite
def requests(draw: st.DrawFn, description: Mapping[str, Any]) -> tuple[str, bytes, list[tuple[bytes, bytes]], bytes]:
    """Draw a request for one of the routes: method, raw target, headers, body."""
    path = draw(st.sampled_from(sorted(description["paths"])))
    method = draw(st.sampled_from(sorted(description["paths"][path])))
    operation = description["paths"][path][method]
    parameters = operation.get("parameters", ())
    usual = {"cluster_name": "Main", "service_name": "api", "account": "123456789012", "region": "us-west-2"}

    def value(name: str) -> str:
        known = [st.just(usual[name])] * 3 if name in usual else []
        odd = st.sampled_from(ODD_TEXTS) | st.text(max_size=20) | st.integers().map(str)
        return str(draw(st.one_of(*known, odd))).encode(errors="replace").decode()

    inside = {each["name"]: value(each["name"]) for each in parameters if each["in"] == "path"}
    query = {each["name"]: value(each["name"]) for each in parameters if each["in"] == "query" and draw(st.booleans())}
    target = filled(path, inside) + "?" + "&".join(f"{quote(k)}={quote(v)}" for k, v in query.items())
    if draw(st.integers(0, 9)) == 0:
        target += "&" + quote_from_bytes(draw(st.binary(max_size=20)))
    kind = draw(st.sampled_from([b"application/json"] * 8 + [b"text/plain", b""]))
    headers = [(b"host", b"localhost"), (b"content-type", kind)]
    named = [each["name"].lower().encode() for each in parameters if each["in"] == "header" and draw(st.booleans())]
    headers += [(name, draw(st.binary(max_size=300) | st.just(b"key"))) for name in named]
    body = b""
    if method != "get":
        fields = sorted(_fields(operation, description))
        document = {name: draw(values) for name in fields if draw(st.integers(0, 3)) == 0}
        body = draw(mutated(json.dumps(document, default=str)))
    return method.upper(), target.encode(), headers, body


def _fields(operation: Mapping[str, Any], description: Mapping[str, Any]) -> set[str]:
    """Return the names of the fields of a request's body."""
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    options = [schema, *schema.get("anyOf", ())]
    names = [option["$ref"].rpartition("/")[2] for option in options if "$ref" in option]
    return {field for name in names for field in description["components"]["schemas"][name].get("properties", {})}
