-- Row security stands behind the queries that name their organisation: one that forgets to is
-- answered with nothing. Requests are served under verbatim_app, which sees the organisation that
-- its statement told in app.tenant; what follows the log for everybody works under roles of its
-- own; a login for SQL users sees the organisation that the owner gave it.
do $$
begin
  if not exists (select from pg_roles where rolname = 'verbatim_worker') then
    begin
      create role verbatim_worker nologin nobypassrls;
    exception when duplicate_object or unique_violation then null;
    end;
  end if;
  if not pg_has_role(current_user, 'verbatim_worker', 'MEMBER') then
    execute format('grant verbatim_worker to %I', current_user);
  end if;
end $$;

-- Which organisation a login may read in the schema `read`. It can't change this, nor who it is.
create table bi_logins (
    login     name primary key,
    tenant_id uuid not null
);
create function bi_tenant() returns uuid
language sql stable security definer set search_path = public, pg_temp as $$
  select tenant_id from bi_logins where login = session_user
$$;

-- Puts a table of organisations' rows under guard; what a role may do there, its grants say. Each
-- subquery is asked once in a statement, and not before the statement has told its tenant.
create function guard(guarded regclass) returns void
language plpgsql set search_path = public, pg_temp as $$
begin
  execute format('alter table %s enable row level security', guarded);
  execute format('create policy app on %s to verbatim_app using
    (tenant_id = (select nullif(current_setting(''app.tenant'', true), '''')::uuid))', guarded);
  execute format('create policy engine on %s to verbatim_projector, verbatim_worker using (true)',
    guarded);
  execute format('create policy bi on %s for select to verbatim_bi using
    (tenant_id = (select bi_tenant()))', guarded);
end $$;

do $$
declare guarded regclass;
begin
  foreach guarded in array array['events', 'idempotency_keys', 'claims', 'personal_keys', 'secrets',
                                 'search_tokens', 'effects']::regclass[] loop
    perform guard(guarded);
  end loop;
  for guarded in select oid from pg_class
      where relnamespace = 'read_data'::regnamespace and relkind = 'r' loop
    perform guard(guarded);
    execute format('grant select on %s to verbatim_bi', guarded);
  end loop;
  for guarded in select oid from pg_class
      where relnamespace = 'read'::regnamespace and relkind = 'v' loop
    execute format('grant select on %s to verbatim_bi', guarded);
  end loop;
end $$;

-- How many erasures there were, every writer must know; of whom, nobody.
alter table erasures enable row level security;
create policy numbers on erasures for select to verbatim_app using (true);
create policy app on erasures for insert to verbatim_app with check
  (tenant_id = (select nullif(current_setting('app.tenant', true), '')::uuid));
revoke select on erasures from verbatim_app;
grant select (no) on erasures to verbatim_app;

-- What is asked before an organisation is known, and tells no more than was asked.
create function log_head() returns bigint
language sql stable security definer set search_path = public, pg_temp as $$
  select coalesce(max(position), 0) from events
$$;

-- The last position recorded at or before a time. Times are monotone in position, so it is found
-- by halving.
create function log_position_at(moment timestamptz) returns bigint
language plpgsql stable security definer set search_path = public, pg_temp as $$
declare low bigint := 0; high bigint := log_head(); middle bigint;
begin
  while low < high loop
    middle := low + (high - low + 1) / 2;
    if (select recorded_at from events where position = middle) <= moment then low := middle;
    else high := middle - 1;
    end if;
  end loop;
  return low;
end $$;

create function stream_tenant(type text, id text) returns uuid
language sql stable security definer set search_path = public, pg_temp as $$
  select tenant_id from events where aggregate_type = type and aggregate_id = id and sequence = 1
$$;

create function secret(wanted uuid, out tenant_id uuid, out ciphertext bytea)
language sql stable security definer set search_path = public, pg_temp as $$
  select s.tenant_id, s.ciphertext from secrets s where s.id = wanted
$$;

revoke execute on function bi_tenant, guard, log_head, log_position_at, stream_tenant, secret
  from public;
grant execute on function bi_tenant to verbatim_bi;
grant execute on function log_head, log_position_at
  to verbatim_app, verbatim_projector, verbatim_worker;
grant execute on function stream_tenant, secret to verbatim_app;
grant usage on schema read_data to verbatim_bi;

grant usage on schema public to verbatim_worker;
grant select on events, epochs to verbatim_worker;
grant select, insert, update on subscriptions, effects to verbatim_worker;
revoke insert, update on subscriptions from verbatim_app;
revoke insert on effects from verbatim_app;
