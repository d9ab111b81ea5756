"""The store of several processes: PostgreSQL 15 or newer."""
