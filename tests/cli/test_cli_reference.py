"""The command line's page has each command and option, and says what they say of themselves."""

import re

import pytest

from surefoot.exit_codes import MEANING, Exit
from surefoot.reference import EXAMPLES, MARKER, PAGE, commands, page, parameters

COMMANDS = dict(commands())
TEXT = PAGE.read_text()


def section(name: str) -> str:
    _, _, rest = TEXT.partition(f"\n### surefoot {name}\n")
    return re.split(r"\n###? ", rest)[0]


def test_the_page_is_up_to_date() -> None:
    head, marker, _ = TEXT.partition(MARKER)
    assert marker
    assert page(head) == TEXT, "python -m surefoot.reference writes it"


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_there_with_an_example_and_all_that_it_takes(name: str) -> None:
    told = section(name)
    assert EXAMPLES[name] in told, "add one to surefoot/reference.py"
    for names, words, _, _ in parameters(COMMANDS[name]):
        for one in names:
            assert f"`{one}`" in told
        assert words in told


@pytest.mark.parametrize("name", COMMANDS)
def test_each_parameter_has_words_and_none_is_named_for_what_is_empty(name: str) -> None:
    assert COMMANDS[name].help
    for argument in COMMANDS[name].assemble_argument_collection(parse_docstring=True):
        assert argument.names == ("*",) or argument.parameter.help, argument.names
        assert not [one for one in argument.names if "empty" in one], "nobody means that"


def test_no_example_is_of_a_command_that_is_gone() -> None:
    assert EXAMPLES.keys() == COMMANDS.keys()


def test_each_exit_code_has_its_meaning() -> None:
    assert set(MEANING) == set(Exit)
    for code, meaning in MEANING.items():
        assert f"| {code.value} | {meaning} |" in TEXT
