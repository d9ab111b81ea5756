-- oldest: 1
create table meta (name text primary key, value integer not null) strict, without rowid;

create table governing (
    tenant text not null, app text not null, digest text not null, epoch integer not null,
    primary key (tenant, app)
) strict, without rowid;

create table version (
    number integer primary key, tenant text not null, app text not null, digest text not null,
    files text not null, report blob not null, applied_ms integer not null, "by" text not null,
    note text not null
) strict;
create index version_digest on version (tenant, app, digest);

create table entity (
    tenant text not null, app text not null, blueprint text not null, id text not null, state text not null,
    visit integer not null, version integer not null, revision integer not null, digest text not null,
    body text not null, head blob not null, created_ms integer not null, changed_ms integer not null,
    final_ms integer
) strict;
create unique index entity_id on entity (tenant, app, id);
create index entity_state on entity (tenant, app, blueprint, state, id);
create index entity_created on entity (tenant, app, blueprint, created_ms, id);
create index entity_changed on entity (tenant, app, blueprint, changed_ms, id);
create index entity_final on entity (tenant, app, blueprint, final_ms, id) where final_ms is not null;

create table journal (
    tenant text not null, app text not null, blueprint text not null, entity text not null,
    revision integer not null, version integer not null, visit integer not null, state text not null,
    kind text not null, action text, "by" text not null, chain text not null, policies text not null,
    digest text not null, semantics integer not null, step text not null, at_ms integer not null,
    payload blob, payload_hash blob not null, previous blob not null, hash blob not null,
    position integer primary key
) strict;
create unique index journal_entity on journal (tenant, app, entity, revision);

create table outgoing (
    tenant text not null, app text not null, blueprint text not null, entity text not null,
    number integer not null, effect text not null, visit integer not null, phase text not null,
    digest text not null, due_ms integer not null, request blob not null, attempt integer not null,
    worker text, until_ms integer not null default 0,
    primary key (tenant, app, entity, number)
) strict, without rowid;
create index outgoing_due on outgoing (max(due_ms, until_ms));

create table timer (
    tenant text not null, app text not null, blueprint text not null, entity text not null,
    name text not null, visit integer not null, armed_ms integer not null, due_ms integer not null,
    worker text, until_ms integer not null default 0,
    primary key (tenant, app, entity, name)
) strict, without rowid;
create index timer_due on timer (max(due_ms, until_ms));
create index timer_postponed on timer (tenant, app, entity) where worker = '';

create table claim (
    tenant text not null, app text not null, "unique" text not null, key blob not null, entity text not null,
    primary key (tenant, app, "unique", key)
) strict, without rowid;
create index claim_entity on claim (tenant, app, entity);

create table receipt (
    tenant text not null, principal text not null, key text not null, request blob not null,
    status integer not null, answer blob not null, expires_ms integer not null,
    primary key (tenant, principal, key)
) strict, without rowid;
create index receipt_expires on receipt (expires_ms);

create table checkpoint (
    position integer primary key, at_ms integer not null, root blob not null, signature blob not null
) strict;

create table intent (
    tenant text not null, app text not null, blueprint text not null, action text not null,
    state text not null, reason text not null, clause text not null, count integer not null,
    first_ms integer not null, last_ms integer not null, example text not null,
    primary key (tenant, app, blueprint, action, state, reason, clause)
) strict, without rowid;

create table archived_entity (
    tenant text not null, app text not null, blueprint text not null, id text not null, state text not null,
    visit integer not null, version integer not null, revision integer not null, digest text not null,
    body text not null, head blob not null, created_ms integer not null, changed_ms integer not null,
    final_ms integer, archived_ms integer not null,
    primary key (tenant, app, id)
) strict;
create index archived_entity_age on archived_entity (archived_ms);

create table archived_journal (
    tenant text not null, app text not null, blueprint text not null, entity text not null,
    revision integer not null, version integer not null, visit integer not null, state text not null,
    kind text not null, action text, "by" text not null, chain text not null, policies text not null,
    digest text not null, semantics integer not null, step text not null, at_ms integer not null,
    payload blob, payload_hash blob not null, previous blob not null, hash blob not null,
    position integer primary key
) strict;
create unique index archived_journal_entity on archived_journal (tenant, app, entity, revision);
