"""Authentication, visibility, and what becomes of a denial."""
