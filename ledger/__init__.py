"""What a valid ledger is: pure rules over bytes and values, with no input or output."""
