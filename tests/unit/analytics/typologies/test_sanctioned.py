"""Dealings with listed accounts and names, and names that are only alike."""

from __future__ import annotations

import pytest

from analytics.alerts import Severity
from tests.unit.analytics.story import Story


def test_dealing_with_a_listed_account_is_told_of_the_customer() -> None:
    """Both directions count; the listed account itself is not the news."""
    story = Story(["anna", "bert", "listed"], listed=["listed"])
    story.pay("anna", "listed", 5)
    story.pay("listed", "bert", 5)
    assert story.told("sanctioned") == {"anna", "bert"}
    assert {alert.severity for alert in story.alerts} == {Severity.CRITICAL}


@pytest.mark.parametrize(
    "reference",
    [
        "to Ivan Petrovich Orlov",
        "ORLOV, Ivan Petrovich",
        "consulting Iván Petrovitch Orlov 2026",
        "PetrovichIvan Orlov",
        "gift orlovIvan Petrovich",
    ],
)
def test_a_listed_name_is_found_as_people_write_it(reference: str) -> None:
    """Case, order, accents, lost spaces and a letter more do not hide it."""
    story = Story(["anna", "bert"], names=["Ivan Petrovich Orlov"])
    story.pay("anna", "bert", 5, reference)
    assert story.told("sanctioned") == {"anna"}


@pytest.mark.parametrize("reference", ["", "Ivan", "rent for Petra Orlowski", "invoice 7"])
def test_other_names_are_not(reference: str) -> None:
    """A part of a name, or one a bit like it, is another."""
    story = Story(["anna", "bert"], names=["Ivan Petrovich Orlov"])
    story.pay("anna", "bert", 5, reference)
    assert story.alerts == []


@pytest.mark.parametrize("reference", ["王小明", "付王小明货款", "refund 王 小明", "小明王"])
def test_a_chinese_name_is_found_without_spaces_around_it(reference: str) -> None:
    """Three characters are a whole name, and stand within a sentence."""
    story = Story(["anna", "bert"], names=["王小明"])
    story.pay("anna", "bert", 5, reference)
    assert story.told("sanctioned") == {"anna"}


@pytest.mark.parametrize("reference", ["王小", "王大明", "小明货款"])
def test_a_part_of_a_chinese_name_is_not(reference: str) -> None:
    """One character of three is another name."""
    story = Story(["anna", "bert"], names=["王小明"])
    story.pay("anna", "bert", 5, reference)
    assert story.alerts == []
