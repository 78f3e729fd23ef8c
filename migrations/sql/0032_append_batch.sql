-- For an append of one event, what surrounds the insert of its row cost as much as the row. So the
-- answer is one value: where a function answers with columns, what they are is read out of the long
-- list of its arguments, twice in each call. The lock is taken in an expression, which is no statement to
-- plan and run; and a join less finds the end of the log. The rest is as in `append_events`, which stays
-- for servers of the release before; `append_with_keys` was of the one before that.
drop function append_with_keys;

create function append_batch(
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
returns json
language plpgsql volatile security definer
set search_path = public, pg_temp
-- A log that was short when the plan was made is not read from its beginning when it has grown.
set enable_seqscan = off
as $$
declare
  last bigint; was timestamptz; erased bigint;
  first bigint; at timestamptz; refused json;
  reasons json[]; bad int[] := '{}'; places int[];
begin
  if pg_advisory_xact_lock(7201) is null then end if;
  select position, recorded_at, (select no from erasures order by no desc limit 1)
    into last, was, erased
    from events order by position desc limit 1;
  if not found then
    select max(no) into erased from erasures;
  end if;
  first := coalesce(last, 0) + 1;
  at := greatest(coalesce(clock, clock_timestamp()), was);
  if erasures_seen is distinct from erased then
    refused := '[{"append": 0, "why": "erasures"}]';
  elsif ended <> first - 1 or ended is not null and s_append is not null
     and cardinality(append_reasons(
       s_append, s_tenant, s_type, s_id, s_expected, s_event, null, null, null,
       null, null, null, null, null, null, null, null)) > 0 then
    -- Why is looked up with the rest.
    refused := '[{"append": 0, "why": "moved"}]';
  end if;
  if refused is not null then
    return json_build_object('first', first, 'at', at, 'refused', refused);
  end if;
  if ended is null then
    reasons := append_reasons(
      s_append, s_tenant, s_type, s_id, s_expected, s_event, i_append, i_tenant, i_key,
      c_append, c_tenant, c_scope, c_value, k_append, k_tenant, k_subject, k_class);
  end if;
  if cardinality(reasons) > 0 then
    refused := array_to_json(reasons);
    bad := array(select a_group[(reason ->> 'append')::int] from unnest(reasons) reason);
    places := array(select count(*) filter (where a_group[append] <> all (bad)) over (order by n)
                      from unnest(e_append) with ordinality e(append, n));
  end if;
  insert into events
    select e_type[n], e_id[n], e_seq[n], e_name[n], e_ver[n], e_payload[n]::json, e_meta[n]::json,
           first - 1 + coalesce(places[n], n), e_tenant[n], e_event[n], e_actor[n], e_command[n],
           e_corr[n], e_cause[n], at
      from generate_series(1, cardinality(e_append)) n
     where a_group[e_append[n]] <> all (bad);
  if i_append is not null then
    insert into idempotency_keys
      select i_tenant[n], i_key[n], i_print[n], first - 1 + coalesce(places[i_last[n]], i_last[n]),
             i_status[n], i_response[n], at
        from generate_series(1, cardinality(i_append)) n
       where a_group[i_append[n]] <> all (bad);
  end if;
  if c_append is not null then
    insert into claims
      select c_tenant[n], c_scope[n], c_value[n], c_owner[n]
        from generate_series(1, cardinality(c_append)) n
       where a_group[c_append[n]] <> all (bad);
  end if;
  if k_append is not null then
    insert into personal_keys (tenant_id, subject, class, wrapped)
      select k_tenant[n], k_subject[n], k_class[n], k_wrapped[n]
        from generate_series(1, cardinality(k_append)) n
       where a_group[k_append[n]] <> all (bad);
  end if;
  return json_build_object('first', first, 'at', at, 'refused', refused);
end $$;
revoke execute on function append_batch from public;
grant execute on function append_batch to verbatim_app;

