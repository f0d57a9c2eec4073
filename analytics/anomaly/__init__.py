"""Anomalies of accounts and drift of the market: what no rule names, learnt from the chain itself.

``windows`` measures what an account does in a window of the chain's time, ``model`` says how far that
is from anything usual, ``accounts`` puts the two together, a block at a time; ``season``, ``drift``
do the like for the market as a whole. All state follows from the blocks (ADR 0028).
"""
