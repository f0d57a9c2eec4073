"""Which valid chain is ours: proof of work, fork choice and finality, with no input or output."""
