"""The regulator's client: the block stream, queries and offline verification."""
