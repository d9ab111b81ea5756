"""Authorization in Cedar: `by` lowered to permits, beside the app's own policies."""
