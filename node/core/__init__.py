"""The node's decisions: events in, effects out, time as an argument."""
