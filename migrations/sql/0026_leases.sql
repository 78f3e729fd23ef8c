-- What only one process at a time does: feeding read models, following a policy, rebuilding. Who
-- does it renews its lease; who finds that it ran out, or that its holder is gone, may take it.
create table leases (
    name   text primary key,
    -- Rises whenever the lease is taken. What its holder writes is written only where no higher one
    -- has been.
    fence  bigint not null,
    holder int not null,
    until  timestamptz not null
);
create sequence fences;

-- Who holds claims and leases is there as long as its connection locks its number.
create view holders as
  select objid::bigint as number, pid from pg_locks
   where locktype = 'advisory' and classid = 7204 and objsubid = 2 and granted
     and database = (select oid from pg_database where datname = current_database());

-- Whether a lease that was renewed until then still holds. Further ahead than any lease runs it was
-- renewed before somebody put the clock back.
create function holds(holder int, until timestamptz) returns boolean
language sql volatile as $$
  select until between clock_timestamp() and clock_timestamp() + interval '1 minute'
     and holder in (select number from holders)
$$;

create function is_held(lease text) returns boolean
language sql volatile as $$
  select exists (select from leases where name = lease and holds(holder, until))
$$;

-- Ends what another holder's process is in the middle of, by the name that all sessions of a process
-- share: one that sleeps within a transaction keeps rows locked that its successor needs. What
-- serves requests keeps none, and what is at work is no sleeper's: it waits for its client.
create function end_transactions(of int) returns bigint
language sql volatile as $$
  select count(pg_terminate_backend(s.pid)) from holders h
    join pg_stat_activity a on a.pid = h.pid
    join pg_stat_activity s on s.datname = a.datname and s.xact_start is not null
     and s.wait_event = 'ClientRead' and s.pid not in (select pid from holders)
     and split_part(s.application_name, ' ', 3) = split_part(a.application_name, ' ', 3)
   where h.number = of and s.application_name not like 'verbatim app %'
     and split_part(s.application_name, ' ', 3)
         not in ('', split_part(current_setting('application_name'), ' ', 3))
$$;
revoke execute on function end_transactions from public;

-- The fence of whoever moved a checkpoint last. `generations.lease` was for that, and is only
-- written by servers of before.
alter table generations add column fence bigint not null default 0;
alter table subscriptions add column fence bigint not null default 0;

grant select on leases, holders to verbatim_app, verbatim_worker, verbatim_projector;
