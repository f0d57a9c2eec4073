"""The warehouse: every final block as rows of a DuckDB file, which a replay of the chain equals.

``schema``   the documented tables and what stands behind them
``rows``     blocks to columns
``store``    the file: open, append with the cursor, read for detection
``balances`` balances in memory, and those that each day closes with
``replay``   the proof that the warehouse is what the chain says
"""
