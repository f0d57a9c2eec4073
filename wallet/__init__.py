"""The account holder's client: keys, tokens, HTTP and transaction building."""
