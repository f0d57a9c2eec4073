"""Durable blocks, state, indexes and the vote journal."""
