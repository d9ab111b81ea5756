"""The runtime of admitted apps: commands, group commit, effects, timers, hot reload.

It decides nothing that `machine` decides and stores nothing but through a `Store`. It runs unchanged under
the simulator's event loop: time, ids and everything outside come in as arguments.
"""
