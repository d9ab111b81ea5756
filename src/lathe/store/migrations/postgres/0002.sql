-- oldest: 1
create table token (
    id text collate "C" primary key,
    tenant text collate "C" not null,
    parent text collate "C" not null,
    expires_ms bigint not null,
    revoked_ms bigint,
    body bytea not null
);
create index token_tenant on token (tenant, id);
create index token_expires on token (expires_ms);

create table audit (
    number bigint primary key,
    tenant text collate "C" not null,
    at_ms bigint not null,
    kind text collate "C" not null,
    "by" text collate "C" not null,
    chain text collate "C" not null,
    subject text collate "C" not null,
    body bytea not null,
    previous bytea not null,
    hash bytea not null
);
create index audit_tenant on audit (tenant, number);

create table seal (
    number bigint primary key,
    at_ms bigint not null,
    hash bytea not null,
    position bigint not null,
    root bytea not null,
    signature bytea not null
);
