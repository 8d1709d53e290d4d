"""Every kind of breaking change is caught, and growth is not one."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, create_model

from contracts.catalogue import CATALOGUE, Entry
from contracts.compatibility import breaks
from contracts.publish import schema_of


def schema(**fields: Any) -> dict[str, Any]:
    """Of a model with these fields: a type, or a type and a default."""
    given = {name: field if isinstance(field, tuple) else (field, ...) for name, field in fields.items()}
    return create_model("Thing", **given).model_json_schema()  # type: ignore[call-overload, no-any-return]  # pydantic's


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"


class PickyCat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: Annotated[int, Field(le=7)]


class Tree(BaseModel):
    value: int
    children: tuple["Tree", ...] = ()


Pet = Annotated[Cat | Dog, Field(discriminator="kind")]
PickyPet = Annotated[PickyCat | Dog, Field(discriminator="kind")]

BREAKING = {
    "a field removed": (schema(a=int, b=int), schema(a=int), "data.b: removed"),
    "an optional field removed": (schema(a=(int, 0)), schema(), "data.a: removed"),
    "a field renamed": (schema(a=int), schema(b=int), "data.a: removed"),
    "a new required field": (schema(), schema(a=int), "data.a: new and required"),
    "a field becomes required": (schema(a=(int, 1)), schema(a=int), "data.a: became required"),
    "another type": (schema(a=int), schema(a=str), "data.a: integer became string"),
    "a narrower number": (schema(a=float), schema(a=int), "data.a: number became integer"),
    "anything becomes something": (schema(a=Any), schema(a=int), "data.a: anything became integer"),
    "null no longer": (schema(a=int | None), schema(a=int), "data.a: null became integer"),
    "a value of an enumeration": (
        schema(a=Literal["x", "y"]),
        schema(a=Literal["x"]),
        "data.a: no longer takes 'y'",
    ),
    "any text becomes an enumeration": (
        schema(a=str),
        schema(a=Literal["x", "y"]),
        "data.a: any string became one of ['x', 'y']",
    ),
    "a constant changes": (schema(a=Literal["x"]), schema(a=Literal["y"]), "data.a: no longer takes 'x'"),
    "a lower maximum": (
        schema(a=Annotated[int, Field(le=9)]),
        schema(a=Annotated[int, Field(le=8)]),
        "data.a: maximum 9 became 8",
    ),
    "a new maximum": (
        schema(a=int),
        schema(a=Annotated[int, Field(lt=8)]),
        "data.a: exclusiveMaximum none became 8",
    ),
    "a higher minimum": (
        schema(a=Annotated[int, Field(gt=0)]),
        schema(a=Annotated[int, Field(gt=1)]),
        "data.a: exclusiveMinimum 0 became 1",
    ),
    "a shorter text": (
        schema(a=str),
        schema(a=Annotated[str, Field(max_length=5)]),
        "data.a: maxLength none became 5",
    ),
    "a longer list": (
        schema(a=list[int]),
        schema(a=Annotated[list[int], Field(min_length=1)]),
        "data.a: minItems none became 1",
    ),
    "another pattern": (
        schema(a=Annotated[str, Field(pattern="^a$")]),
        schema(a=Annotated[str, Field(pattern="^b$")]),
        "data.a: pattern ^a$ became ^b$",
    ),
    "another default": (schema(a=(int, 1)), schema(a=(int, 2)), "data.a: default 1 became 2"),
    "another type in a list": (schema(a=list[int]), schema(a=list[str]), "data.a[]: integer became string"),
    "another type in a dictionary": (
        schema(a=dict[str, int]),
        schema(a=dict[str, str]),
        "data.a[]: integer became string",
    ),
    "another type in a tuple": (
        schema(a=tuple[int, str]),
        schema(a=tuple[int, int]),
        "data.a[1]: string became integer",
    ),
    "a tuple of another length": (
        schema(a=tuple[int, int]),
        schema(a=tuple[int, int, int]),
        "data.a: minItems 2 became 3",
    ),
    "a list becomes a dictionary": (
        schema(a=list[int]),
        schema(a=dict[str, int]),
        "data.a: array became object",
    ),
    "a member of a union": (schema(a=Pet), schema(a=Dog), "data.a.lives: removed"),
    "inside a model": (schema(a=Cat), schema(a=PickyCat), "data.a.lives: maximum none became 7"),
    "inside a union": (
        schema(a=Pet),
        schema(a=PickyPet),
        "data.a: no longer takes Cat (data.a.lives: maximum none became 7)",
    ),
    "inside a list of unions": (
        schema(a=list[Pet]),
        schema(a=list[PickyPet]),
        "data.a[]: no longer takes Cat (data.a[].lives: maximum none became 7)",
    ),
    "no other fields any more": (
        {"type": "object"},
        {"type": "object", "additionalProperties": False},
        "data[]: no longer allowed",
    ),
}


@pytest.mark.parametrize(("old", "new", "sentence"), BREAKING.values(), ids=BREAKING)
def test_a_breaking_change_is_named(old: dict[str, Any], new: dict[str, Any], sentence: str) -> None:
    assert sentence in breaks(old, new)


GROWING = {
    "a new optional field": (schema(a=int), schema(a=int, b=(int, 0))),
    "a field becomes optional": (schema(a=int), schema(a=(int, 1))),
    "a wider number": (schema(a=int), schema(a=float)),
    "null as well": (schema(a=int), schema(a=int | None)),
    "one more value": (schema(a=Literal["x"]), schema(a=Literal["x", "y"])),
    "an enumeration becomes any text": (schema(a=Literal["x", "y"]), schema(a=str)),
    "one more member of a union": (schema(a=Dog), schema(a=Pet)),
    "a higher maximum": (schema(a=Annotated[int, Field(le=8)]), schema(a=Annotated[int, Field(le=9)])),
    "no maximum any more": (schema(a=Annotated[int, Field(le=8)]), schema(a=int)),
    "no pattern any more": (schema(a=Annotated[str, Field(pattern="^a$")]), schema(a=str)),
    "other words": (schema(a=int), schema(a=Annotated[int, Field(description="what it is")])),
    "a wider model in a list": (schema(a=list[PickyCat]), schema(a=list[Cat])),
}


@pytest.mark.parametrize(("old", "new"), GROWING.values(), ids=GROWING)
def test_growth_breaks_nothing(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert breaks(old, new) == ()


def test_a_model_that_contains_itself_comes_to_an_end() -> None:
    old = Tree.model_json_schema()
    assert breaks(old, old) == ()
    text = {**old, "$defs": {"Tree": {**old["$defs"]["Tree"], "properties": {"children": {}}}}}
    assert any("value: removed" in found for found in breaks(old, text))


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.type)
def test_every_contract_is_compatible_with_itself_and_with_no_field_less(entry: Entry) -> None:
    whole = schema_of(entry)
    assert breaks(whole, whole) == ()
    for name in whole["properties"]:
        less = {
            **whole,
            "properties": {key: value for key, value in whole["properties"].items() if key != name},
            "required": [key for key in whole["required"] if key != name],
        }
        assert breaks(whole, less) == (f"data.{name}: removed",)
