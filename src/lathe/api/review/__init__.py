"""What people look at and decide: versions, checks, campaigns, requests for decisions."""
