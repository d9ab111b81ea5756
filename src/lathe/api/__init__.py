"""The API that an app's blueprints give: HTTP over the runtime's commands, and nothing beside them."""
