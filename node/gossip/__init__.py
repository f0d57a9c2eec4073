"""Peer sessions over mutual TLS."""
