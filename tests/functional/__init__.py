"""Tests of real processes over real sockets."""
