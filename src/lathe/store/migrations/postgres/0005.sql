-- oldest: 1
-- For what is overdue, whose question says `blueprint <> ''`; whoever looks rows up by their keys does not.
create index timer_overdue on timer (tenant, app, due_ms, entity) where blueprint <> '';
create index outgoing_overdue on outgoing (tenant, app, due_ms, entity) where blueprint <> '';
create index token_living on token (tenant, expires_ms) where revoked_ms is null;
