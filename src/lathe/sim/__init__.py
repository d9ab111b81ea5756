"""The real runtime in a deterministic world: virtual time, a seeded schedule, faults on purpose."""
