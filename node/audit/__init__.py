"""The regulator's HTTP API."""
