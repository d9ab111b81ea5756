"""Routes for review: versions of apps, checks, simulations, and decisions by people."""
