"""The store: the only rooms that know Postgres and Optuna's storage.

Every function here that takes a `Connection` is one step of a transaction and safe to run again: `Store.run`
repeats the whole transaction when the connection is lost, so a lost acknowledgement must not change the outcome.
"""
