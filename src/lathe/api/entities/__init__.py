"""Routes of entities: create, act, read, take, stream; and events from outside (`/in/…`)."""
