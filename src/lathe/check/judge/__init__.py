"""What a searched graph shows: what is broken, who is stuck, what never comes, what never happens."""
