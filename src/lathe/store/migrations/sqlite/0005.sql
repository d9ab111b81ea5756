-- oldest: 1
create index timer_overdue on timer (tenant, app, due_ms, entity);
create index outgoing_overdue on outgoing (tenant, app, due_ms, entity);
create index token_living on token (tenant, expires_ms) where revoked_ms is null;
