"""Models at work for the regulator: forecasts of the ledger's own series, predictions of rows.

series.py     series of the ledger by name, from the warehouse
forecasts.py  ``GET /forecasts``: asked, computed once, kept for a while
worker.py     a process that works with models, from the analytics process's side
child.py      the same process from its own side; what it does is in ``tasks``
"""
