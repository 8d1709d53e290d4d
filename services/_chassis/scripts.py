"""The chassis's Lua scripts. Redis runs each of them as one step."""

from importlib.resources import files


def script(name: str) -> str:
    """Return the text of ``name.lua``."""
    return files(__package__).joinpath(f"{name}.lua").read_text()
