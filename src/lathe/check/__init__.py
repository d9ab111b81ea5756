"""Levels 0 to 2 of the verifier: structure, proofs, and every reachable state. Pure and bounded."""
