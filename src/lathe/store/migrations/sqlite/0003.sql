-- oldest: 1
create table decision (
    tenant text not null, id text not null, app text not null, state text not null, "by" text not null,
    key blob not null, expires_ms integer not null, revision integer not null, body blob not null,
    primary key (tenant, id)
) strict, without rowid;
create index decision_key on decision (tenant, key) where state = 'approved';
create index decision_by on decision (tenant, "by", state);
create index decision_expires on decision (expires_ms);
