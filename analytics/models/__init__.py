"""Models on ledger data and on a user's own table: one interface, a file a model.

    file ──tabular──▶ Table ──columns──▶ roles, exclusions ──encoding──▶ matrix ──▶ a model
                                                                                      │
    folder (model.json, card.md, weights; no pickle) ◀──folder──  fit, predict, explain, evaluate

``tabular``    a CSV or Parquet file as a `Table`; what cannot be used is refused, no row is dropped
``columns``    what each column is: a number, a category, a time, an identifier …
``encoding``   columns as the matrix that estimators take, and back to the columns for reasons
``splitting``  rows to learn from, to choose by and to be judged on
``interface``  what every model does
``catalog``    the models by name, imported when used
``folder``     a model on disk, whole or refused
``reasons``    what moved a prediction, adding up to its score

One file for each model; what two of a family share has a file too.
"""
