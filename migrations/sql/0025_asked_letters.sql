-- Letters that strangers have asked for and nobody has written yet. Whose they are is not known
-- before somebody looks: what was asked is a secret of the same id, which expires, and a letter
-- without it is written to nobody.
create table asked_letters (
    id     uuid primary key,
    due_at timestamptz not null default clock_timestamp()
);
create index asked_letters_due on asked_letters (due_at);
grant select, update, delete on asked_letters to verbatim_worker;

-- Notes a letter together with the answer that a repeat under the same key is told, or neither.
-- Without the log's lock: there is no event in it, and the time it takes must tell nothing. Tells
-- 'asked', 'full' where `most` wait already, or 'used' where somebody else was answered under the key.
create function ask_for_letter(
    letter uuid, most int, tenant uuid, key bytea, print bytea, status int, response bytea,
    at timestamptz)
returns text
language plpgsql volatile security definer set search_path = public, pg_temp as $$
begin
  if (select count(*) from (select from asked_letters limit most) waiting) >= most then
    return 'full';
  end if;
  if key is not null then
    insert into idempotency_keys (tenant_id, key, fingerprint, position, status, response, recorded_at)
      values (tenant, ask_for_letter.key, print, log_head(), ask_for_letter.status,
              ask_for_letter.response, at)
      on conflict do nothing;
    if not found then
      return 'used';
    end if;
  end if;
  insert into asked_letters (id) values (letter);
  return 'asked';
end $$;

revoke execute on function ask_for_letter from public;
grant execute on function ask_for_letter to verbatim_app;
