"""The chassis's Lua scripts: each is one step of Redis, that nothing else comes between."""

from importlib.resources import files


def script(name: str) -> str:
    """Return the text of ``name.lua``."""
    return files(__package__).joinpath(f"{name}.lua").read_text()
