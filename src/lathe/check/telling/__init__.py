"""What is told: findings with their runs and cures, what was covered and what was not, the report."""
