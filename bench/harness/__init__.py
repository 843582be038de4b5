"""The benchmark harness; bench/run.py is the entry."""
