-- Lines that take nothing for a while, because their limit is reached: one row each, however many
-- effects wait for the line.
create table line_rests (
    line  uuid not null,
    kind  text not null,
    until timestamptz not null,
    primary key (line, kind)
);

grant select, insert, update on line_rests to verbatim_worker;
