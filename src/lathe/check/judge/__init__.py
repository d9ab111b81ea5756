"""Analyses of a searched graph: violations, deadlocks, liveness, unreachable behaviour."""
