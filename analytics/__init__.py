"""The embedded analytics: final blocks in, warehouse, features, typologies, alerts and scores out."""
