"""The transport: connections, limits, request bodies, and problems (RFC 9457), whatever the route."""
