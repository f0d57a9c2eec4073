"""Reads of the whole market: accounts, flows of money, named reports."""
