"""What a plain scalar of YAML means: text without quotes that may be a number, true or false, or text."""

import re

_TRUE_OR_FALSE = {"true": True, "false": False}
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_AMBIGUOUS = re.compile(
    r"[-+]?(0[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?|0o[0-7]+|0x[0-9a-fA-F]+|0b[01]+|\.(inf|Inf|INF)|\.(nan|NaN|NAN))"
    r"|True|TRUE|False|FALSE"
)
"""Numbers with leading zeros and other bases, infinities, and booleans in capitals: read differently by YAML's
versions and libraries, or no values of a policy."""
NULL = frozenset({"", "~", "null", "Null", "NULL"})
_LONGEST_NUMBER = 40
_EXACT = 2.0**53
"""Below it every whole number is a float of its own; 2.0 is a whole number to JSON Schema, and so it is here."""


def plain_value(text: str) -> tuple[str | int | float | bool | None, str]:
    """Return a plain scalar's value by YAML 1.2, and why it is not accepted, which is empty if it is."""
    problem = _problem(text)
    if problem:
        return None, problem
    if text in _TRUE_OR_FALSE:
        return _TRUE_OR_FALSE[text], ""
    if _INTEGER.fullmatch(text):
        return int(text), ""
    if _FLOAT.fullmatch(text):
        number = float(text)
        return int(number) if number.is_integer() and abs(number) < _EXACT else number, ""
    return text, ""


def _problem(text: str) -> str:
    sentence = ""
    if text in NULL:
        neither = f" ({text} is neither a default nor off)" if text else ""
        sentence = f"nothing stands behind it; leave the key out for what is inherited{neither}"
    elif len(text) > _LONGEST_NUMBER and _FLOAT.fullmatch(text.lstrip("+-0")):
        sentence = "this is too long for a number; put it in quotes if it is text"
    elif _AMBIGUOUS.fullmatch(text):
        sentence = f"{text} is read differently by different YAML: {_ambiguity(text)}"
    elif _FLOAT.fullmatch(text) and abs(float(text)) == float("inf"):
        sentence = f"{text} is too large for a number"
    return sentence


def _ambiguity(text: str) -> str:
    """Return a sentence about a scalar that YAML's versions or libraries read differently."""
    digits = text.lstrip("+-")
    if digits[:1] == "0" and digits.isdigit() and digits.isascii():
        octal = f"the octal number {int(digits, 8)}" if not set(digits) & {"8", "9"} else "text"
        return f"the number {int(digits)} to YAML 1.2, {octal} to YAML 1.1; put it in quotes if it is text"
    if text.lower() in _TRUE_OR_FALSE:
        return f"write {text.lower()}, or put it in quotes if it is text"
    return "write a plain decimal number, or put it in quotes if it is text"
