"""Child processes of the node: signatures are verified and nonces searched off the event loop."""
