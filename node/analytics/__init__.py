"""The node's side of the embedded analytics: the process, its blocks, and what it is asked."""
