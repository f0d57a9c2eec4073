"""A model on disk: ``model.json`` with everything that JSON holds, arrays beside it, a card.

No pickle: scikit-learn's estimators are kept by skops, which makes objects of listed types alone;
arrays of networks by safetensors. ``model.json`` names every other file with its hash, so a folder
is whole or refused. A folder is written beside its place and moved there when it is complete.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from analytics.models.card import card_text
from analytics.models.catalog import model_class
from analytics.models.columns import Column, Excluded, Exclusion, Role
from analytics.models.errors import DataRefused, ModelUnusable
from analytics.models.interface import Model, Request
from analytics.models.limits import MANIFEST_BYTES_MAX
from analytics.models.quality import learned_quality
from analytics.models.tabular import Table

FORMAT: Final = 1
"""Of ``model.json``; another one is refused."""
MANIFEST: Final = "model.json"
CARD: Final = "card.md"
PLOTS: Final = "plots"
NAMED_FILES_MAX: Final = 3
"""Files that an error names."""
_SCHEMA: Final = "schema.json"
"""The part of a skops file that says what the others are."""
_TRUSTED: Final = [
    "numpy.dtype",
    "sklearn.compose._column_transformer._RemainderColsList",
    "sklearn.tree._tree.Tree",
]
"""Types beside skops' own list that an estimator of ours is made of; none runs what a file says."""


def save_model(
    model: Model, request: Request, table: Table, out: Path, *, has_plots: bool = True
) -> Mapping[str, Any]:
    """Write a model's folder, with its card and, unless told, its plots; return the manifest.

    ``table`` is what it learned from: its source and the quality of its columns are told.
    A folder that holds a model is replaced, once the new one is whole. Raises: DataRefused as
    `model_in`.
    """
    model_in(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with _beside(out) as folder:
        state = model.save(folder)
        plots = folder / PLOTS
        plots.mkdir()
        if not (has_plots and model.plots(plots)):
            plots.rmdir()
        manifest: dict[str, Any] = {
            "format": FORMAT,
            "model": model.NAME,
            "model_version": model.VERSION,
            "sunlit": version("sunlit"),
            "seed": model.seed,
            "data": dataclasses.asdict(table.source),
            "request": {k: v for k, v in dataclasses.asdict(request).items() if v is not None},
            "features": [dataclasses.asdict(column) for column in model.features],
            "excluded": [dataclasses.asdict(column) for column in model.excluded],
            "quality": dict(learned_quality(model.features, table)),
            "split": dict(model.split),
            "metrics": dict(model.metrics),
            "importances": [dataclasses.asdict(each) for each in model.explain()],
            "document": dict(model.document()),
            "state": dict(state),
        }
        (folder / CARD).write_text(card_text(manifest), "utf-8")
        manifest["files"] = {
            str(path.relative_to(folder)): _hash(path)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        text = json.dumps(manifest, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False)
        (folder / MANIFEST).write_text(text + "\n", "utf-8")
        _replace(folder, out)
    return manifest


def model_in(out: Path) -> str | None:
    """Return the id of the model in a folder that a new one would replace; None where nothing is.

    Raises: DataRefused (``out_exists``) when a file is in the way, or the folder holds anything that is
    not a model's: nothing of somebody's is removed.
    """
    if not out.exists():
        return None
    if not out.is_dir():
        raise DataRefused("out_exists", f"{out} is a file: give a folder to --out")
    there = {str(path.relative_to(out)) for path in out.rglob("*") if not path.is_dir()}
    if not there:
        return None
    try:
        manifest = json.loads((out / MANIFEST).read_text("utf-8"))
        foreign = sorted(there - {MANIFEST, *manifest["files"]})
    except (OSError, ValueError, KeyError, TypeError):
        foreign = sorted(there)
    if foreign:
        named = ", ".join(foreign[:NAMED_FILES_MAX])
        detail = (
            f"{out} holds something else than a model, as {named}: give another folder to --out"
        )
        raise DataRefused("out_exists", detail, folder=str(out))
    return model_id(out)


def load_manifest(folder: Path) -> Mapping[str, Any]:
    """Return what ``model.json`` says, once every file it names is there and unchanged.

    Raises: ModelUnusable (``model_missing``, ``model_corrupt``, ``model_format``).
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise ModelUnusable("model_missing", f"{folder} holds no {MANIFEST}", folder=str(folder))
    if path.stat().st_size > MANIFEST_BYTES_MAX:
        raise ModelUnusable("model_corrupt", f"{path} is too large to be one")
    try:
        manifest = json.loads(path.read_text("utf-8"))
        found = manifest["format"], manifest["model"], manifest["files"]
    except (ValueError, KeyError, TypeError):
        raise ModelUnusable("model_corrupt", f"{path} is no model's manifest") from None
    if found[0] != FORMAT:
        detail = f"{path} has format {found[0]}; this version reads {FORMAT}: train again"
        raise ModelUnusable("model_format", detail)
    for name, digest in manifest["files"].items():
        part = folder / name
        if not part.resolve().is_relative_to(folder.resolve()) or not part.is_file():
            raise ModelUnusable("model_corrupt", f"{part} is missing; train again or restore it")
        if _hash(part) != digest:
            raise ModelUnusable("model_corrupt", f"{part} is not what {MANIFEST} says it is")
    return dict(manifest)


def load_model(folder: Path) -> Model:
    """Return the model in a folder.

    Raises: ModelUnusable as `load_manifest`; ExtraMissing when its libraries are not installed.
    """
    manifest = load_manifest(folder)
    kind = model_class(manifest["model"])
    if manifest["model_version"] != kind.VERSION:
        detail = f"{folder}: {kind.NAME} of version {manifest['model_version']}: train again"
        raise ModelUnusable("model_format", detail)
    try:
        model = kind.load(folder, manifest["state"])
        model.seed = manifest["seed"]
        model.features = tuple(
            Column(name=each["name"], role=Role(each["role"])) for each in manifest["features"]
        )
        model.excluded = tuple(
            Excluded(name=each["name"], reason=Exclusion(each["reason"]))
            for each in manifest["excluded"]
        )
    except (KeyError, ValueError, TypeError) as error:
        raise ModelUnusable("model_corrupt", f"{folder}: {error}") from error
    model.metrics, model.split = manifest["metrics"], manifest["split"]
    return model


def save_estimator(estimator: Any, path: Path) -> None:
    """Write a scikit-learn estimator without pickle; equal ones give equal bytes.

    skops names objects and files by their addresses in memory and dates them by the clock; here
    they are numbered as they come, and dated alike.
    """
    import skops.io  # noqa: PLC0415

    numbers: dict[str, str] = {}

    def number(address: str) -> str:
        return numbers.setdefault(address, str(len(numbers) + 1))

    def renamed(node: Any) -> Any:
        if isinstance(node, list):
            return [renamed(each) for each in node]
        if not isinstance(node, dict):
            return node
        node = {key: renamed(value) for key, value in node.items()}
        if "__id__" in node:
            node["__id__"] = int(number(str(node["__id__"])))
        if "file" in node:
            stem, dot, suffix = str(node["file"]).partition(".")
            node["file"] = number(stem) + dot + suffix
        return node

    with zipfile.ZipFile(io.BytesIO(skops.io.dumps(estimator))) as dumped:
        schema = json.dumps(renamed(json.loads(dumped.read(_SCHEMA))))
        parts = {_SCHEMA: schema.encode()}
        for name in dumped.namelist():
            if name != _SCHEMA:
                stem, dot, suffix = name.partition(".")
                parts[number(stem) + dot + suffix] = dumped.read(name)
    with zipfile.ZipFile(path, "w") as file:
        for name in sorted(parts):
            file.writestr(zipfile.ZipInfo(name), parts[name], zipfile.ZIP_DEFLATED)


def load_estimator(path: Path) -> Any:
    """Return an estimator of `save_estimator`.

    Raises: ModelUnusable (``model_corrupt``) when the file would make an object of another type.
    """
    import skops.io  # noqa: PLC0415
    from skops.io.exceptions import UntrustedTypesFoundException  # noqa: PLC0415

    try:
        return skops.io.load(path, trusted=_TRUSTED)
    except UntrustedTypesFoundException as error:
        raise ModelUnusable("model_corrupt", f"{path}: {error}") from None


def model_id(folder: Path) -> str:
    """Return a model's id: the first 16 hex digits of its manifest's SHA-256."""
    return manifest_hash(folder)[:16]


def card_hash(folder: Path) -> str:
    """Return the SHA-256 of a model's card, hex: what is attested as ``model_card``."""
    return _hash(folder / CARD)


def manifest_hash(folder: Path) -> str:
    """Return the SHA-256 of ``model.json``, hex: what is attested as ``model``.

    The manifest names the hash of every other file, the card's among them.
    """
    return _hash(folder / MANIFEST)


@contextlib.contextmanager
def _beside(out: Path) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _replace(folder: Path, out: Path) -> None:
    folder.chmod(0o755)
    if out.exists():
        old = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}.old."))
        out.replace(old / "model")
        folder.replace(out)
        shutil.rmtree(old)
    else:
        folder.replace(out)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
