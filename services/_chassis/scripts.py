"""The chassis's Lua scripts. Redis runs each of them as one step."""

from importlib.resources import files


def script(name: str) -> str:
    """Return the text of ``name.lua``."""
    return files(__package__).joinpath(f"{name}.lua").read_text()


def refused_when_full(text: str) -> str:
    """Return the script that Redis does not run while it is full; all others may go beyond its limit then."""
    return text.replace("#!lua flags=allow-oom", "#!lua", 1)
