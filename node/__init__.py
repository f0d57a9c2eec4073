"""The running node: a pure core and the shell that gives it disk, network and time."""
