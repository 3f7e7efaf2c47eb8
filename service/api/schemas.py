"""JSON Schemas of the routes' types, completed with facts of the served model and the settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import GetJsonSchemaHandler, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import CoreSchema

from service.api.layouts import layouts
from service.feedback.correction import NO_DIGIT

if TYPE_CHECKING:
    from service.model.artifact import Manifest
    from service.settings import Settings

Json = dict[str, Any]

FACT: Final = "x-fact"
PLACES: Final = "#/components/schemas/{model}"


@dataclass(frozen=True)
class Fact:
    """Marks a type, by `Annotated[type, Fact(name)]`, whose schema `facts` completes."""

    name: str

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> Json:
        """Leave a mark that `describe_types` replaces."""
        return {**handler(schema), FACT: self.name}


def named(labels: Iterable[str]) -> list[int | str]:
    """Return labels as answers name them: digits as numbers, others as text."""
    return [int(label) if label.isdecimal() else label for label in labels]


def facts(manifest: Manifest, settings: Settings, outputs: Iterable[str]) -> dict[str, Json]:
    """Return the schema parts that replace each `Fact`.

    Args:
        manifest: name, version, labels and image shape.
        settings: the limit of a body.
        outputs: names of the outputs that the model's metadata offers.
    """
    classes = len(manifest.labels)
    _, height, width = manifest.inputs[0].shape
    limit = settings.max_body_bytes
    return {
        "name": {"const": manifest.name},
        "version": {"const": manifest.version},
        "label": {"enum": [*named(manifest.labels), None]},
        "written": {"enum": [*manifest.labels, NO_DIGIT]},
        "classes": {"minItems": classes, "maxItems": classes},
        "outputs": {"enum": [*outputs]},
        "images": {
            "oneOf": [
                {
                    "prefixItems": [{"type": "integer", "minimum": 1}, *({"const": side} for side in tail)],
                    "items": False,
                    "minItems": 1 + len(tail),
                }
                for tail in layouts((height, width))
            ]
        },
        "image": {
            "description": f"{height} rows of {width} whole numbers, 0 background to 255 ink",
            "minItems": height,
            "maxItems": height,
        },
        "picture": {"description": f"a picture file; the body has at most {limit} bytes"},
    }


def describe_types(types: Mapping[str, Any], known: Mapping[str, Json]) -> tuple[dict[str, Json], Json]:
    """Return the schema of each type by its key, and the definitions that the schemas refer to.

    Args:
        types: key to type.
        known: what is to be said in the place of each `Fact`.
    """
    inputs: list[tuple[str, Literal["validation"], TypeAdapter[Any]]] = [
        (key, "validation", TypeAdapter(one)) for key, one in types.items()
    ]
    schemas, found = TypeAdapter.json_schemas(inputs, ref_template=PLACES, schema_generator=_Untitled)
    return (
        {key: _filled(schema, known) for (key, _), schema in schemas.items()},
        _filled(found.get("$defs", {}), known),
    )


class _Untitled(GenerateJsonSchema):
    """Leaves out the titles that only repeat a field's name."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's signature
        return False


def _filled(node: Any, known: Mapping[str, Json]) -> Any:
    if isinstance(node, list):
        return [_filled(one, known) for one in node]
    if not isinstance(node, dict):
        return node
    filled = {key: _filled(value, known) for key, value in node.items() if key != FACT}
    return {**filled, **known[node[FACT]]} if FACT in node else filled
