-- oldest: 1
create table token (
    id text primary key, tenant text not null, parent text not null, expires_ms integer not null,
    revoked_ms integer, body blob not null
) strict, without rowid;
create index token_tenant on token (tenant, id);
create index token_expires on token (expires_ms);

create table audit (
    number integer primary key, tenant text not null, at_ms integer not null, kind text not null,
    "by" text not null, chain text not null, subject text not null, body blob not null,
    previous blob not null, hash blob not null
) strict;
create index audit_tenant on audit (tenant, number);

create table seal (
    number integer primary key, at_ms integer not null, hash blob not null, position integer not null,
    root blob not null, signature blob not null
) strict;
