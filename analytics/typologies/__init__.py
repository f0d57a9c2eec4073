"""Typologies: known patterns of misuse, each a small documented rule with a regulator's parameters."""
