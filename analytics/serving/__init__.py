"""Models at work for the regulator: forecasts of the ledger's own series, predictions of rows.

series.py       series of the ledger by name, from the warehouse
forecasts.py    ``GET /forecasts``; ``kept`` makes each once and keeps it for a while
predictions.py  ``POST /predict``; ``predictor`` gives models of the registry to a process
worker.py       a process that works with models, from the analytics process's side
child.py        the same process from its own side; ``tasks`` names what it does:
                ``forecasting`` and ``predicting``
"""
