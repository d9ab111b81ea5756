"""The store: the journal and the tables beside it, with every group of steps committed or not at all.

A `Store` is told whole steps and answers which of them it committed. It decides nothing about an app:
the engine hands it rows, and `accept` says which rows of a group fit together.
"""
