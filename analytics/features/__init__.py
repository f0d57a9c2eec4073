"""Features of accounts as Ibis expressions: one definition for DuckDB, Spark and what follows.

``tables``    the documented tables, as expressions without a backend
``payments``  payments of a window, seen from each of their two sides
``accounts``  the features, one function each, and the row of an account that they make
"""
