"""The OpenAPI description as a page shows it: groups of operations, and the schemas that they speak of."""

import json
from dataclasses import dataclass, replace
from typing import Any

SHORT_PATTERN = 48  # characters; longer ones are for programs, the description says it in words
SECURITY = {
    "bearer": "An access token: `Authorization: Bearer …`",
    "client": "Optional: the client of command lines, `Authorization: Basic` with user `bx` and password `bx`",
    "key": "Or an API key: `Authorization: Basic` with user `apikey` and the value as the password",
}

Described = dict[str, Any]
NOTHING: Described = {}


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter, header or member. `schema` names what it is made of, where that has a name."""

    name: str
    kind: str
    description: str
    required: bool = False
    location: str = ""
    schema: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """One status. `codes` are pairs of an error code and when it is the answer."""

    status: str
    description: str
    schema: str
    codes: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Operation:
    id: str
    method: str
    path: str
    summary: str
    description: str
    access: tuple[str, ...]
    parameters: tuple[Field, ...]
    body: str
    media_type: str
    example: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Group:
    name: str
    description: str
    operations: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class Schema:
    """One schema; several `variants` where it is one of several objects, else one without a name."""

    name: str
    description: str
    variants: tuple[tuple[str, tuple[Field, ...]], ...]


def groups(description: Described) -> list[Group]:
    """Return the operations under their tags, in the order of the description."""
    found: dict[str, list[Operation]] = {tag["name"]: [] for tag in description["tags"]}
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            found[operation["tags"][0]].append(_operation(description, method.upper(), path, operation))
    return [Group(tag["name"], tag["description"], tuple(found[tag["name"]])) for tag in description["tags"]]


def schemas(description: Described) -> list[Schema]:
    """Return every named schema."""
    return [_schema(name, schema) for name, schema in description["components"]["schemas"].items()]


def _operation(description: Described, method: str, path: str, operation: Described) -> Operation:
    content = operation.get("requestBody", {}).get("content", {})
    media_type, body = next(iter(content.items()), ("", NOTHING))
    return Operation(
        id=operation["operationId"],
        method=method,
        path=path,
        summary=operation["summary"],
        description=operation.get("description", ""),
        access=tuple(SECURITY[name] for need in operation["security"] for name in need),
        parameters=tuple(
            Field(
                name=parameter["name"],
                kind=kind(parameter["schema"]),
                description=parameter["description"],
                required=parameter.get("required", False),
                location=parameter["in"],
            )
            for parameter in (_resolved(description, found) for found in operation.get("parameters", []))
        ),
        body=_name(body["schema"]) if body else "",
        media_type=media_type,
        example=json.dumps(body["example"], indent=2, ensure_ascii=False) if body else "",
        answers=tuple(
            _answer(status, _resolved(description, answer)) for status, answer in operation["responses"].items()
        ),
    )


def _answer(status: str, answer: Described) -> Answer:
    content = next(iter(answer.get("content", {}).values()), NOTHING)
    codes = tuple((code, example["summary"]) for code, example in content.get("examples", {}).items())
    schema = content.get("schema", {})
    return Answer(status, answer["description"], _name(schema["allOf"][0] if "allOf" in schema else schema), codes)


def _schema(name: str, schema: Described) -> Schema:
    items = schema.get("items", {})
    variants = schema.get("oneOf") or [items if "properties" in items else schema]
    shown = tuple((variant.get("description", ""), _fields(variant)) for variant in variants)
    if "oneOf" not in schema:
        shown = (("", shown[0][1]),)
    return Schema(name, schema.get("description", "") or ("A list of:" if items else ""), shown)


def _fields(schema: Described) -> tuple[Field, ...]:
    found: list[Field] = []
    for name, member in schema.get("properties", {}).items():
        inner = next((variant for variant in member.get("anyOf", []) if "properties" in variant), member)
        found.append(
            Field(
                name=name,
                kind=kind(member),
                description=member.get("description", ""),
                required=name in schema.get("required", []),
                schema=_name(member) or _name(member.get("items", {})),
            )
        )
        found += [replace(field, name=f"{name}.{field.name}") for field in _fields(inner)]
        found += [replace(field, name=f"{name}[].{field.name}") for field in _fields(member.get("items", {}))]
    return tuple(found)


def kind(schema: Described) -> str:
    """Return in a few words what a schema allows."""
    if name := _name(schema):
        return name
    if "const" in schema:
        return f"`{_json(schema['const'])}`"
    if "enum" in schema:
        plain = all(isinstance(choice, str) and choice for choice in schema["enum"])
        return ", ".join(f"`{choice if plain else json.dumps(choice)}`" for choice in schema["enum"])
    types = schema.get("type", "object" if "anyOf" in schema else "anything")
    words = [types] if isinstance(types, str) else [*types]
    if words == ["array"]:
        return f"list of {kind(schema['items'])}" if schema["items"] else "list"
    text = " or ".join(words)
    if "minimum" in schema and "maximum" in schema:
        text += f" from {schema['minimum']} to {schema['maximum']}"
    pattern = schema.get("pattern", "")
    if pattern and len(pattern) <= SHORT_PATTERN:
        text += f" `{pattern}`"
    elif pattern and "examples" in schema:
        text += f" such as `{schema['examples'][0]}`"
    if "default" in schema:
        text += f", default `{_json(schema['default'])}`"
    return text


def _json(value: Any) -> str:
    return value if isinstance(value, str) and value else json.dumps(value)


def _name(schema: Described) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _resolved(description: Described, found: Described) -> Described:
    if "$ref" not in found:
        return found
    _root, _components, kind_of, name = found["$ref"].split("/")
    resolved: Described = description["components"][kind_of][name]
    return resolved
