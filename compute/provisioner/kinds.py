"""The kinds of records there are, and the documents they are written in.

A document is `kind`, `metadata` (name, description, labels) and `spec` (everything else).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, Field, create_model

from compute.provisioner.schemas import (
    BootProfileBody,
    BootProfileSpec,
    ComputeNodeBody,
    ComputeNodeSpec,
    GroupBody,
    GroupSpec,
    Metadata,
    PoolBody,
    PoolSpec,
    Strict,
)

META = tuple(Metadata.model_fields)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of record: its name in documents and in sentences, and what people write of it.

    `body` has all fields side by side, `spec` those that are not metadata; `document_type` is the
    document made of both.
    """

    name: str
    noun: str
    body: type[Metadata]
    spec: type[Strict]
    document_type: type[BaseModel]

    @property
    def path(self) -> str:
        """Return the name of its list in addresses."""
        return self.plural.replace(" ", "-")

    @property
    def plural(self) -> str:
        """Return the noun for several."""
        return f"{self.noun}s"

    @property
    def identifier(self) -> str:
        """Return the noun as programs write it."""
        return self.noun.replace(" ", "_")

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of a document of the kind."""
        dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
        return dialect | self.document_type.model_json_schema()

    def document(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return the document of a record: what people wrote, and under `status` the rest."""
        written = self.body.model_fields
        return {
            "kind": self.name,
            "metadata": {name: record[name] for name in META},
            "spec": {name: record[name] for name in self.spec.model_fields},
            "status": {name: value for name, value in record.items() if name not in written},
        }


def _kind(noun: str, body: type[Metadata], spec: type[Strict]) -> Kind:
    name = body.__name__.removesuffix("Body")
    fields = {meta: (body.model_fields[meta].annotation, body.model_fields[meta]) for meta in META}
    metadata = create_model("Metadata", __base__=Strict, __doc__=Metadata.__doc__, **fields)  # type: ignore[call-overload]
    ignored = Field(None, description="How the record stands; shown by `-o yaml`, ignored here.")
    document = create_model(
        name,
        __base__=Strict,
        __doc__=f"A document that describes a {noun}.",
        kind=(Literal[name], ...),  # type: ignore[arg-type]
        metadata=(metadata, ...),
        spec=(spec, Field(default_factory=spec)),
        status=(dict[str, Any] | None, ignored),
    )
    return Kind(name, noun, body, spec, document)


POOL = _kind("pool", PoolBody, PoolSpec)
BOOT_PROFILE = _kind("boot profile", BootProfileBody, BootProfileSpec)
COMPUTE_NODE = _kind("compute node", ComputeNodeBody, ComputeNodeSpec)
GROUP = _kind("group", GroupBody, GroupSpec)

KINDS = {kind.name: kind for kind in (POOL, BOOT_PROFILE, COMPUTE_NODE, GROUP)}
"""By name, those that others refer to first."""
