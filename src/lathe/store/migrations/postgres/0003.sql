-- oldest: 1
create table decision (
    tenant text collate "C" not null,
    id text collate "C" not null,
    app text collate "C" not null,
    state text collate "C" not null,
    "by" text collate "C" not null,
    key bytea not null,
    expires_ms bigint not null,
    revision bigint not null,
    body bytea not null,
    primary key (tenant, id)
);
create index decision_key on decision (tenant, key) where state = 'approved';
create index decision_by on decision (tenant, "by", state);
create index decision_expires on decision (expires_ms);
