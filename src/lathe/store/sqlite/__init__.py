"""The store of one process: SQLite in a folder, which that process owns."""
