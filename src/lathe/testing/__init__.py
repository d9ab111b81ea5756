"""For tests of apps: `lathe.testing.strategies` makes random ones. It needs Hypothesis."""
