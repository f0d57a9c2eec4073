"""Tests of Sunlit: unit, property, vectors, simulation, functional and style."""
