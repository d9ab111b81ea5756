-- oldest: 1
create table meta (name text collate "C" primary key, value bigint not null);
insert into meta values ('position', 0);

-- One row for each group of a journal: its entries stand at `first` and after, once the sequencer has been by.
create table batch (id bigserial primary key, entries bigint not null, first bigint);
create index batch_first on batch (first);
create index batch_waiting on batch (id) where first is null;

create table governing (
    tenant text collate "C" not null,
    app text collate "C" not null,
    digest text collate "C" not null,
    epoch bigint not null,
    primary key (tenant, app)
);

create table version (
    number bigserial primary key,
    tenant text collate "C" not null,
    app text collate "C" not null,
    digest text collate "C" not null,
    files text collate "C" not null,
    report bytea not null,
    applied_ms bigint not null,
    "by" text collate "C" not null,
    note text collate "C" not null
);
create index version_digest on version (tenant, app, digest);

create table entity (
    tenant text collate "C" not null,
    app text collate "C" not null,
    blueprint text collate "C" not null,
    id text collate "C" not null,
    state text collate "C" not null,
    visit bigint not null,
    version bigint not null,
    revision bigint not null,
    digest text collate "C" not null,
    body bytea not null,
    head bytea not null,
    created_ms bigint not null,
    changed_ms bigint not null,
    final_ms bigint,
    fields jsonb not null,
    primary key (tenant, app, id)
) with (fillfactor = 80);
-- For lists, which say `blueprint <> ''`. Whoever looks rows up by their keys does not, so that no plan that was
-- made for a small table takes one of these instead of the key.
create index entity_state on entity (tenant, app, blueprint, state, id) where blueprint <> '';
create index entity_created on entity (tenant, app, blueprint, created_ms, id) where blueprint <> '';
create index entity_changed on entity (tenant, app, blueprint, changed_ms, id) where blueprint <> '';
create index entity_final on entity (tenant, app, blueprint, final_ms, id) where final_ms is not null;

create table journal (
    tenant text collate "C" not null,
    app text collate "C" not null,
    blueprint text collate "C" not null,
    entity text collate "C" not null,
    revision bigint not null,
    version bigint not null,
    visit bigint not null,
    state text collate "C" not null,
    kind text collate "C" not null,
    action text collate "C",
    "by" text collate "C" not null,
    chain text collate "C" not null,
    policies text collate "C" not null,
    digest text collate "C" not null,
    semantics bigint not null,
    step text collate "C" not null,
    at_ms bigint not null,
    payload bytea,
    payload_hash bytea not null,
    previous bytea not null,
    hash bytea not null,
    batch bigint not null,
    ordinal bigint not null,
    primary key (tenant, app, entity, revision)
);
create unique index journal_batch on journal (batch, ordinal);

create table outgoing (
    tenant text collate "C" not null,
    app text collate "C" not null,
    blueprint text collate "C" not null,
    entity text collate "C" not null,
    number bigint not null,
    effect text collate "C" not null,
    visit bigint not null,
    phase text collate "C" not null,
    digest text collate "C" not null,
    due_ms bigint not null,
    request bytea not null,
    attempt bigint not null,
    worker text collate "C",
    until_ms bigint not null default 0,
    primary key (tenant, app, entity, number)
);
create index outgoing_due on outgoing ((greatest(due_ms, until_ms)));

create table timer (
    tenant text collate "C" not null,
    app text collate "C" not null,
    blueprint text collate "C" not null,
    entity text collate "C" not null,
    name text collate "C" not null,
    visit bigint not null,
    armed_ms bigint not null,
    due_ms bigint not null,
    worker text collate "C",
    until_ms bigint not null default 0,
    primary key (tenant, app, entity, name)
);
create index timer_due on timer ((greatest(due_ms, until_ms)));
create index timer_postponed on timer (tenant, app, entity) where worker = '';

create table claim (
    tenant text collate "C" not null,
    app text collate "C" not null,
    "unique" text collate "C" not null,
    key bytea not null,
    entity text collate "C" not null,
    primary key (tenant, app, "unique", key)
);
create index claim_entity on claim (tenant, app, entity) where entity <> '';

create table receipt (
    tenant text collate "C" not null,
    principal text collate "C" not null,
    key text collate "C" not null,
    request bytea not null,
    status bigint not null,
    answer bytea not null,
    expires_ms bigint not null,
    primary key (tenant, principal, key)
);
create index receipt_expires on receipt (expires_ms);

create table checkpoint (
    position bigint primary key,
    at_ms bigint not null,
    root bytea not null,
    signature bytea not null
);

create table intent (
    tenant text collate "C" not null,
    app text collate "C" not null,
    blueprint text collate "C" not null,
    action text collate "C" not null,
    state text collate "C" not null,
    reason text collate "C" not null,
    clause text collate "C" not null,
    count bigint not null,
    first_ms bigint not null,
    last_ms bigint not null,
    example text collate "C" not null,
    primary key (tenant, app, blueprint, action, state, reason, clause)
);

create table archived_entity (
    tenant text collate "C" not null,
    app text collate "C" not null,
    blueprint text collate "C" not null,
    id text collate "C" not null,
    state text collate "C" not null,
    visit bigint not null,
    version bigint not null,
    revision bigint not null,
    digest text collate "C" not null,
    body bytea not null,
    head bytea not null,
    created_ms bigint not null,
    changed_ms bigint not null,
    final_ms bigint,
    archived_ms bigint not null,
    primary key (tenant, app, id)
);
create index archived_entity_age on archived_entity (archived_ms);

create table archived_journal (
    tenant text collate "C" not null,
    app text collate "C" not null,
    blueprint text collate "C" not null,
    entity text collate "C" not null,
    revision bigint not null,
    version bigint not null,
    visit bigint not null,
    state text collate "C" not null,
    kind text collate "C" not null,
    action text collate "C",
    "by" text collate "C" not null,
    chain text collate "C" not null,
    policies text collate "C" not null,
    digest text collate "C" not null,
    semantics bigint not null,
    step text collate "C" not null,
    at_ms bigint not null,
    payload bytea,
    payload_hash bytea not null,
    previous bytea not null,
    hash bytea not null,
    batch bigint not null,
    ordinal bigint not null,
    primary key (tenant, app, entity, revision)
);
create index archived_journal_batch on archived_journal (batch, ordinal);
