"""Who calls, what they may see, and what they are denied."""
