"""Anomalies of accounts and drift of the market: what no rule names, learnt from the chain itself.

``measures`` says what an account does in a window of the chain's time, ``habits`` what is usual of it,
``model`` how far the one is from the other; ``accounts`` puts them together, a block at a time. ``spans``
and ``drift`` do the like for the market as a whole. All state follows from the blocks (ADR 0028).
"""
