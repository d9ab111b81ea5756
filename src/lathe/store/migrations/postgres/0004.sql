-- oldest: 1
create table held (
    tenant text collate "C" not null,
    decision text collate "C" not null,
    body bytea not null,
    primary key (tenant, decision)
);
