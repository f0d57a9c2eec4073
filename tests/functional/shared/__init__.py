"""Tests of one development network, the fixture `net`, which one worker of pytest-xdist runs."""
