"""The report: findings with traces and cures, what was covered, and what was not."""
