"""What one scope cannot show: values, places and numbers beyond it, asked again, proved, or told as open."""
