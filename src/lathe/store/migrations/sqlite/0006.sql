-- oldest: 1
create index token_parent on token (parent, id);
