"""The HTTP contracts of the simulated services, and whether a request fits them.

A contract is an OpenAPI 3.1 file in the folder ``contracts``. Its schemas are JSON Schema, so jsonschema judges bodies
and parameters alike.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any
from urllib.parse import parse_qsl

import yaml
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import best_match

_FORMATS = FormatChecker(formats=())
_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"


@_FORMATS.checks("int32")
def _is_int32(value: object) -> bool:
    return not isinstance(value, int) or -(2**31) <= value < 2**31


@_FORMATS.checks("int64")
def _is_int64(value: object) -> bool:
    return not isinstance(value, int) or -(2**63) <= value < 2**63


class DoesNotFit(Exception):
    """A request that its contract does not allow. ``problems`` says everything that is wrong with it."""

    def __init__(self, *problems: str) -> None:
        self.problems = problems
        super().__init__("; ".join(problems))


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request as a service sees it. Header names are in lower case."""

    path: Mapping[str, str]
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes
    address: str
    """Where the caller is."""

    def parameter(self, name: str) -> str | None:
        """The first query parameter with that name."""
        return next((value for key, value in self.query if key == name), None)


@dataclass(frozen=True, slots=True)
class _Parameter:
    name: str
    place: str
    required: bool
    type: str
    validator: Draft202012Validator

    def problems(self, incoming: Incoming) -> Iterator[str]:
        texts = self._texts(incoming)
        if not texts:
            if self.required:
                yield f"{self.place} {self.name} is missing"
            return
        value: object = texts if self.type == "array" else _number(texts[-1]) if self.type == "integer" else texts[-1]
        yield from (f"{self.place} {self.name}: {error.message}" for error in self.validator.iter_errors(value))

    def _texts(self, incoming: Incoming) -> list[str]:
        if self.place == "query":
            return [value for key, value in incoming.query if key == self.name]
        source, name = (incoming.path, self.name) if self.place == "path" else (incoming.headers, self.name.lower())
        return [source[name]] if name in source else []


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a service: where it is, and what it takes."""

    id: str
    method: str
    path: str
    """Template from the root, such as ``/checkout/order/api/v1/checkout/orders/{orderId}``."""
    parameters: tuple[_Parameter, ...]
    media_type: str | None
    """None where there is no body."""
    body: Draft202012Validator | None

    def read(self, incoming: Incoming) -> Any:
        """The request's body, decoded; None for an operation without one.

        Raises:
            DoesNotFit: a parameter or the body does not fit the contract.
        """
        problems = [problem for parameter in self.parameters for problem in parameter.problems(incoming)]
        content: Any = None
        if self.body is not None:
            try:
                content = self._decoded(incoming)
            except DoesNotFit as error:
                problems += error.problems
            else:
                problems += [_said(error) for error in self.body.iter_errors(content)]
        if problems:
            raise DoesNotFit(*problems)
        return content

    def _decoded(self, incoming: Incoming) -> Any:
        media_type = incoming.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != self.media_type:
            raise DoesNotFit(f"content type is {media_type or 'missing'}, not {self.media_type}")
        try:
            if self.media_type == _FORM:
                return _form(incoming.body.decode())
            return json.loads(incoming.body, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise DoesNotFit(f"body: {error}") from None


class Contract:
    """The operations of one service, from ``contracts/{name}.yaml``."""

    def __init__(self, name: str) -> None:
        text = resources.files("connectors.simulator").joinpath("contracts", f"{name}.yaml").read_text("utf-8")
        self.document: dict[str, Any] = yaml.safe_load(text)
        self.prefix: str = self.document["servers"][0]["url"]
        operations = (
            self._operation(path, method, operation)
            for path, item in self.document["paths"].items()
            for method, operation in item.items()
        )
        self.operations: Mapping[str, Operation] = {operation.id: operation for operation in operations}

    def validator(self, schema: Mapping[str, Any]) -> Draft202012Validator:
        """What judges values by a schema of this contract, which may refer to others of it."""
        components = self.document.get("components", {})
        return Draft202012Validator({**schema, "components": components}, format_checker=_FORMATS)

    def _operation(self, path: str, method: str, described: dict[str, Any]) -> Operation:
        media_type, body = None, None
        if "requestBody" in described:
            ((media_type, content),) = described["requestBody"]["content"].items()
            body = self.validator(content["schema"])
        parameters = tuple(self._parameter(self._followed(each)) for each in described.get("parameters", ()))
        return Operation(described["operationId"], method.upper(), f"{self.prefix}{path}", parameters, media_type, body)

    def _parameter(self, described: dict[str, Any]) -> _Parameter:
        schema = self._followed(described["schema"])
        return _Parameter(
            described["name"],
            described["in"],
            described.get("required", False),
            schema.get("type", ""),
            self.validator(described["schema"]),
        )

    def _followed(self, node: dict[str, Any]) -> dict[str, Any]:
        """What a reference inside the document points to, or the node itself."""
        if "$ref" not in node:
            return node
        found: Any = self.document
        for name in node["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        return dict(found)


@cache
def contract(name: str) -> Contract:
    """The contract with this name, read once."""
    return Contract(name)


def _number(text: str) -> object:
    try:
        return int(text)
    except ValueError:
        return text


def _form(text: str) -> dict[str, str]:
    pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True)
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a field is there twice")
    return dict(pairs)


def _refuse_constant(literal: str) -> None:
    raise ValueError(f"{literal} is not JSON")


def _said(error: Any) -> str:
    """What a schema error comes to; of alternatives, what the best one lacks."""
    nearest = best_match(error.context) if error.context else None
    message = f"{error.message} ({nearest.message})" if nearest is not None else error.message
    return f"body {error.json_path}: {message}"
