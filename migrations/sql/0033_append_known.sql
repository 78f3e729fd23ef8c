-- Of an append whose streams are known to stand where they should nobody has to say why it is refused: it is
-- written at the known end of the log, or not at all. One statement does both, where `append_batch` has a
-- dozen small ones, which together cost a fifth of what the row does. It takes what `append_batch` takes,
-- and answers when that was; or null, having written nothing, where the log does not end there (or has no
-- event, or none is brought, so that nothing is found out), a stream that is told of stands elsewhere,
-- somebody was erased, or the clock was set back. Then `append_batch` is called, without `ended`: to vouch
-- there, and be told that the log 'moved', is for servers of the release before. `append_events` was for
-- those of the one before that.
drop function append_events;

create function append_known(
    e_append int[], e_type text[], e_id text[], e_seq bigint[], e_name text[], e_ver text[],
    e_payload text[], e_meta text[], e_tenant uuid[], e_event uuid[], e_actor text[],
    e_command uuid[], e_corr uuid[], e_cause uuid[],
    a_group int[], erasures_seen bigint, ended bigint, clock timestamptz,
    s_append int[] = null, s_tenant uuid[] = null, s_type text[] = null, s_id text[] = null,
    s_expected bigint[] = null, s_event uuid[] = null,
    i_append int[] = null, i_last int[] = null, i_tenant uuid[] = null, i_key bytea[] = null,
    i_print bytea[] = null, i_status int[] = null, i_response bytea[] = null,
    c_append int[] = null, c_tenant uuid[] = null, c_scope text[] = null, c_value bytea[] = null,
    c_owner text[] = null,
    k_append int[] = null, k_tenant uuid[] = null, k_subject uuid[] = null,
    k_class smallint[] = null, k_wrapped bytea[] = null)
returns timestamptz
language plpgsql volatile security definer
set search_path = public, pg_temp
-- As in `append_batch`.
set enable_seqscan = off
as $$
declare
  at timestamptz;
begin
  if pg_advisory_xact_lock(7201) is null then end if;
  if s_append is not null and cardinality(append_reasons(
       s_append, s_tenant, s_type, s_id, s_expected, s_event, null, null, null,
       null, null, null, null, null, null, null, null)) > 0 then
    return null;
  end if;
  at := coalesce(clock, clock_timestamp());
  insert into events
    select e_type[n], e_id[n], e_seq[n], e_name[n], e_ver[n], e_payload[n]::json, e_meta[n]::json,
           ended + n, e_tenant[n], e_event[n], e_actor[n], e_command[n], e_corr[n], e_cause[n], at
      from (select position, recorded_at, (select no from erasures order by no desc limit 1) erased
              from events order by position desc limit 1) last,
           generate_series(1, cardinality(e_append)) n
     where position = ended and recorded_at <= at and erased is not distinct from erasures_seen;
  if not found then
    return null;
  end if;
  if i_append is not null then
    insert into idempotency_keys
      select i_tenant[n], i_key[n], i_print[n], ended + i_last[n], i_status[n], i_response[n], at
        from generate_series(1, cardinality(i_append)) n;
  end if;
  if c_append is not null then
    insert into claims
      select c_tenant[n], c_scope[n], c_value[n], c_owner[n]
        from generate_series(1, cardinality(c_append)) n;
  end if;
  if k_append is not null then
    insert into personal_keys (tenant_id, subject, class, wrapped)
      select k_tenant[n], k_subject[n], k_class[n], k_wrapped[n]
        from generate_series(1, cardinality(k_append)) n;
  end if;
  return at;
end $$;
revoke execute on function append_known from public;
grant execute on function append_known to verbatim_app;
