"""Models by name, each with what it needs."""

from __future__ import annotations

import sys

import pytest

from analytics.models import catalog
from analytics.models.catalog import CATALOG, Entry, model_class
from analytics.models.errors import ExtraMissing, ModelUnusable


@pytest.mark.parametrize(
    "name", ["pca", "kmeans", "logistic", "random-forest", "lstm", "autoencoder"]
)
def test_the_catalog_says_what_a_model_needs(name: str) -> None:
    """Names and options of the catalog are those of the class."""
    kind = model_class(name)
    assert name == kind.NAME
    assert {option.removeprefix("--") for option in CATALOG[name].options} == set(kind.PARTS)


def test_a_model_that_is_none_is_refused() -> None:
    """The refusal tells which there are."""
    with pytest.raises(ModelUnusable, match="kmeans") as refused:
        model_class("oracle")
    assert refused.value.code == "unknown_model"


def test_a_missing_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model of an extra that is not installed names the extra; one of the core is our fault."""
    entry = Entry(module="oracle", attribute="O", purpose="", options=(), extra="deep")
    bare = Entry(module="oracle", attribute="O", purpose="", options=())
    monkeypatch.setattr(catalog, "CATALOG", {"oracle": entry, "bare": bare})
    monkeypatch.setitem(sys.modules, "analytics.models.oracle", None)
    with pytest.raises(ExtraMissing, match=r"pip install 'sunlit\[deep\]'"):
        model_class("oracle")
    with pytest.raises(ModuleNotFoundError):
        model_class("bare")
