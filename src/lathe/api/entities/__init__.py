"""What lives: entities created, acted on, read, taken, followed; events from outside."""
