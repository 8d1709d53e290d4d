"""Cuts secrets out of texts that somebody outside wrote: AWS, an application, an exception, a person.

Each pattern reads a character a bounded number of times: it begins where a word does, and never goes back.
"""

import re

HIDDEN = "***"

_NO_DIGEST = r"(?!sha(?:256|512):)"
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,20}-----(?:(?!-----END ).)*+(?:-----END [A-Z0-9 ]{0,60}-----)?",
    re.DOTALL,
)
"""A key in PEM, to its end or to where the text was cut."""
_ENCODED_PEM = re.compile(r"LS0tLS1CRUdJTi[A-Za-z0-9+/=_-]*+")
"""``-----BEGIN `` and what follows it, in base64."""
_URL = re.compile(
    rf"://[^\s@/:\"']{{0,128}}+:(?![0-9]{{1,5}}/)[^\s\"']{{1,256}}@{_NO_DIGEST}|://(?:[^/\s@]*+@{_NO_DIGEST})++"
)
"""Credentials in a URL, with ``@`` or ``/`` in the password, too."""
_ENCODED_URL = re.compile(r"%3A%2F%2F(?:(?!%40)[^\s\"']){1,384}+%40", re.IGNORECASE)
"""The same within another URL."""
_USER_INFO = re.compile(rf"(?<![\w.+%/@:-])[\w.+%-]{{1,128}}+:[^\s/@:,;\"']{{1,256}}+@{_NO_DIGEST}(?=[\w.-])")
"""``user:password@host`` without a scheme, as in the reference of an image. A tag before a digest is none."""
_ORACLE = re.compile(
    rf"(?<![\w/.-])[A-Za-z][\w$#]{{0,29}}+/[^\s/@\"']{{1,128}}+@{_NO_DIGEST}(?=//|[\w.-]{{1,253}}+[:/][\w/])"
)
"""``user/password@host:port``, as Oracle's tools have it."""
_REFERENCE = re.compile(r"[A-Za-z0-9._:/@+-]+")
"""Whatever else stands in a text, it is no reference of an image."""
_SCHEME = re.compile(
    r"(?<![\w-])((?:bearer|basic|digest|negotiate|token)(?:\s{1,8}+|%20)[\"']?)([A-Za-z0-9+/=._~-]{8,}+)", re.IGNORECASE
)
"""The credentials of an ``Authorization`` header."""
_WORD = re.compile(r"[A-Za-z]?[a-z.-]*")
"""What may come after ``token`` or ``basic`` in a sentence."""
_NUMBERED = re.compile(r"[^\s0-9]{0,256}+[0-9]")
_CURL = re.compile(r"(?<!\S)((?:-u|--user)\s{1,8}+)[^\s:]{1,128}+:[^\s]++")
_JSON_WEB_TOKEN = re.compile(r"(?<![A-Za-z0-9])eyJ[\w-]{10,512}+(?:\.[\w-]++)(?:\.[\w-]*+){1,3}+")
_SHAPES = (
    (_PRIVATE_KEY, HIDDEN),
    (_ENCODED_PEM, HIDDEN),
    (_URL, f"://{HIDDEN}@"),
    (_ENCODED_URL, f"%3A%2F%2F{HIDDEN}%40"),
    (_USER_INFO, f"{HIDDEN}@"),
    (_ORACLE, f"{HIDDEN}@"),
    (_CURL, rf"\g<1>{HIDDEN}"),
    (_JSON_WEB_TOKEN, HIDDEN),
)
"""What is a secret by its shape alone → what stands in its place."""
_TOKEN = re.compile(
    r"(?<![A-Za-z0-9_-])(?:"
    r"(?:AKIA|ASIA)[0-9A-Z]{16}\b"  # AWS
    r"|(?:FwoG|IQoJ)[A-Za-z0-9/+=]{40,}+"  # its sessions
    r"|gh[pousr]_[A-Za-z0-9]{16,}+|github_pat_\w{16,}+"
    r"|gl(?:pat|dt|rt|ptt|ft|cbt|soat|oas|imt|agent)-[\w-]{16,}+"
    r"|xox[a-z]-[\w-]{8,}+|xapp-[\w-]{8,}+"
    r"|[srp]k_(?:live|test)_[A-Za-z0-9]{8,}+|whsec_[\w+/=]{8,}+"
    r"|AIza[\w-]{30,}+|npm_[A-Za-z0-9]{30,}+|pypi-[\w-]{16,}+|dckr_pat_[\w-]{16,}+|hv[sbr]\.[\w-]{16,}+"
    r"|sfk_[a-z2-7]{8,}+_[0-9A-Za-z]{16,}+"  # our own API keys
    r"|ya29\.[\w-]{16,}+|GOCSPX-[\w-]{16,}+|d(?:op|oo|or)_v1_[0-9a-f]{32,}+|shp(?:at|ca|pa|ss)_[0-9a-fA-F]{16,}+"
    r"|hf_[A-Za-z0-9]{20,}+|glsa_\w{20,}+|dapi[0-9a-f]{32}\b|NRAK-[A-Z0-9]{16,}+"
    r"|sk-[\w-]{20,}+|SG\.[\w-]{16,}+\.[\w-]{16,}+)"
)
"""Tokens that show by their beginning what they are."""
_WEBHOOK = re.compile(
    r"(hooks\.slack\.com/(?:services|workflows|triggers)/|discord(?:app)?\.com/api/webhooks/|webhook\.office\.com/webhookb2/"
    r"|api\.telegram\.org/bot)[^\s\"'<>]++"
)
_SECRET_KEY = re.compile(r"(?<![\w/+.-])[A-Za-z0-9/+]{40}(?![\w/+=.-])")
"""The shape of AWS's secret keys."""
_ASSIGNED = re.compile(
    r"(?<![\w-])(?:([\w-]++)(\\{0,4}+[\"']?+\s*+(?:=>|->|:=|[=:\uff1d]|%3[Dd])\s*+)|(--[\w-]++)(\s{1,8}+(?!-)))"
)
"""``name=``, ``name:``, ``"name":`` or ``--name``."""
_SECRET = re.compile(
    r"passw|passphrase|passcode|secret|token|(?:api|access|account|private|shared|encryption|master|signing)[_-]?key|credential"
    r"|authorization|cookie|(?:^|[_-]|db|pg)(?:pwd|pass|pw|sig|signature|auth|session|sessionid|sid)$",
    re.IGNORECASE,
)
_ALWAYS = re.compile(
    r"passw(?:or)?d$|passphrase$|authorization$|cookie$|[_-](?:key|token|secret|pwd)$|^(?:apikey|pwd)$", re.IGNORECASE
)
"""Names that mean a secret before a bare colon as well."""
_NAMED = re.compile(r"(?:token|secret)$", re.IGNORECASE)
"""Names that do before a colon and a blank, where a digit follows: ``:secret:`` stands in the ARNs of secrets, and
``token: missing`` in sentences."""
_VALUE = re.compile(
    r"(?:bearer|basic|digest|negotiate|token)\s{1,8}+[^\s,;\"']++"
    r"|\\{1,4}+\"[^\"\\]*+\\*+\"?|\"(?:[^\"\\]|\\.)*+\"?|'(?:[^'\\]|\\.)*+'?|[^\s,;]++",
    re.IGNORECASE | re.DOTALL,
)
"""A quoted value, to the end where it is cut off, or the next word."""
_COOKIES = re.compile(r"[^\r\n\"']++")
"""What a ``Cookie`` header has: all of its line."""
_ENTRY = re.compile(r"^[\\\"']*+([\w.-]++).*+", re.DOTALL)
"""A name in quotes, and what follows it."""
_ELEMENT = re.compile(r"(<([\w-]{1,128}+)>)[^<\s][^<]*+")
"""An element of XML, to the end of its text."""
_VARIABLE = re.compile(r"[A-Z0-9]_KEY$")
"""The name of a variable of the environment that holds a key."""


def redact(text: str, *, names: bool = True) -> str:
    """Return the text with ``***`` for what looks like a secret. It takes time in proportion to the text's length.

    ``names``: what stands behind a name that means a secret is one.
    """
    for shape, hidden in _SHAPES:
        text = shape.sub(hidden, text)
    text = _without_values(text) if names else text
    text = _SCHEME.sub(lambda found: found[0] if _WORD.fullmatch(found[2]) else f"{found[1]}{HIDDEN}", text)
    text = _WEBHOOK.sub(rf"\g<1>{HIDDEN}", _TOKEN.sub(HIDDEN, text))
    return _SECRET_KEY.sub(lambda found: HIDDEN if _is_random(found[0]) else found[0], text)


def redact_reference(text: str) -> str:
    """Return an image's reference as it is deployed; the tag of ``team/auth-token`` is no secret."""
    return redact(text, names=_REFERENCE.fullmatch(text) is None)


def _without_values(text: str) -> str:
    """Return the text with ``***`` for the values of names that mean a secret."""
    parts, place, entry = [], 0, ""
    while (found := _ASSIGNED.search(text, place)) is not None:
        parts.append(text[place : found.end()])
        place = found.end()
        name, sign = found[1] or found[3], found[2] or "="
        # ECS lists the variables of an environment as {"name": …, "value": …}
        meant = _is_secret(entry) if name == "value" and entry else _means_secret(found, name, sign)
        entry = _ENTRY.sub(r"\1", text[place : place + 128], 1) if name == "name" else ""
        if meant and (value := _value_of(name, text, place)) is not None:
            parts.append(HIDDEN)
            place = value.end()
    return _ELEMENT.sub(_without_text, "".join([*parts, text[place:]]))


def _value_of(name: str, text: str, place: int) -> re.Match[str] | None:
    is_header = name.lower().endswith("cookie") and text[place : place + 1] not in {'"', "'"}
    return (_COOKIES if is_header else _VALUE).match(text, place)


def _without_text(element: re.Match[str]) -> str:
    return f"{element[1]}{HIDDEN}" if _is_secret(element[2]) else element[0]


def _is_secret(name: str) -> bool:
    return _SECRET.search(name) is not None or _VARIABLE.search(name) is not None


def _means_secret(found: re.Match[str], name: str, sign: str) -> bool:
    """Return whether a name says that what stands behind its sign is a secret."""
    if sign.strip() != ":":
        return _is_secret(name)
    # the last part of a path is a name, as in team/auth-token:1.4
    if sign == ":" and found.start() > 0 and found.string[found.start() - 1] == "/":
        return False
    if sign != ":" and _NAMED.search(name):
        return _NUMBERED.match(found.string, found.end()) is not None
    return _ALWAYS.search(name) is not None


def _is_random(text: str) -> bool:
    """Return whether a text is no path and no number in hexadecimal digits."""
    kinds = (any(map(kind, text)) for kind in (str.isupper, str.islower, str.isdigit))
    return all(kinds) and text.count("/") <= 3
