-- Whom the log knows to be there, and when each was last heard of. The beats are unlogged: they
-- come twice a minute from everybody, and after a crash of the database everybody beats again.
create table presences (
    user_id   uuid primary key,
    tenant_id uuid not null
);
create unlogged table heartbeats (
    user_id   uuid primary key,
    tenant_id uuid not null,
    beaten_at timestamptz not null
) with (fillfactor = 50);

select guard('presences');
select guard('heartbeats');
grant select, insert on presences to verbatim_app;
grant select, insert, update on heartbeats to verbatim_app;
grant select, delete on presences to verbatim_worker;
grant select, insert on heartbeats to verbatim_worker;
