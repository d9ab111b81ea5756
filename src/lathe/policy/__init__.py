"""Who may do what, in Cedar: `by` lowered to permits, and the policies that stand beside them."""
