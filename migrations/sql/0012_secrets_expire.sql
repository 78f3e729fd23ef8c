-- Secrets that are good for a time: tokens, and codes that were mailed. Each that is kept sweeps
-- out some that have expired, whosesoever they are.
alter table secrets add column expires_at timestamptz;
create index secrets_expiring on secrets (expires_at) where expires_at is not null;

create or replace function secret(wanted uuid, out tenant_id uuid, out ciphertext bytea)
language sql stable security definer set search_path = public, pg_temp as $$
  select s.tenant_id, s.ciphertext from secrets s
   where s.id = wanted and (s.expires_at is null or s.expires_at > clock_timestamp())
$$;

create function sweep_secrets() returns bigint
language sql volatile security definer set search_path = public, pg_temp as $$
  with swept as (
    delete from secrets where id in
      (select id from secrets where expires_at < clock_timestamp()
        order by expires_at limit 10 for update skip locked)
    returning 1)
  select count(*) from swept
$$;

create function forget_secrets(tenant uuid, ids uuid[]) returns void
language sql volatile security definer set search_path = public, pg_temp as $$
  delete from secrets where tenant_id = tenant and id = any(ids)
$$;

revoke execute on function sweep_secrets, forget_secrets from public;
grant execute on function sweep_secrets, forget_secrets to verbatim_app;

-- When each API key last opened, to the minute. Not an event: a call that only reads leaves no
-- trace in the log.
create table key_uses (
    key_id    uuid primary key,
    tenant_id uuid not null,
    used_at   timestamptz not null
);
select guard('key_uses');
grant select, insert, update on key_uses to verbatim_app;
