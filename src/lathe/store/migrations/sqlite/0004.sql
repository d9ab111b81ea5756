-- oldest: 1
create table held (
    tenant text not null, decision text not null, body blob not null,
    primary key (tenant, decision)
) strict;
