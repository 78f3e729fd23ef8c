-- What an append asks the database is only what nobody knows yet. Its caller leaves out of the arrays
-- that begin with s those streams that it wrote last itself and knows the versions of, and tells where
-- the log ended then: if it ends elsewhere now, somebody else has written, and the batch is refused
-- with the reason 'moved', to be sent again with all its streams. In a batch that is vouched for, new
-- streams are left out, too, and keys and claims are looked for only if something else is refused:
-- what is there already meets a unique index, and the batch is sent again, too. What a batch does not bring is left out: even an empty array costs something, on
-- its way in and when PL/pgSQL unpacks it. The rest is as in `append_with_keys`, which stays for
-- servers of the release before; `append` was of the one before that.
drop function append;

create function append_events(
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
    k_class smallint[] = null, k_wrapped bytea[] = null,
    out first bigint, out at timestamptz, out refused json)
language plpgsql volatile security definer
set search_path = public, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
set plan_cache_mode = force_generic_plan
as $$
declare
  last bigint; was timestamptz;
  reasons json[] := '{}'; bad int[] := '{}'; places int[];
begin
  perform pg_advisory_xact_lock(7201);
  select position, recorded_at into last, was from events order by position desc limit 1;
  first := coalesce(last, 0) + 1;
  at := greatest(coalesce(clock, clock_timestamp()), was);
  if erasures_seen is distinct from (select no from erasures order by no desc limit 1) then
    refused := '[{"append": 0, "why": "erasures"}]';
    return;
  end if;
  if ended <> first - 1 then
    refused := '[{"append": 0, "why": "moved"}]';
    return;
  end if;
  if s_append is not null then
    reasons := array(
      select json_build_object('append', s_append[n], 'why',
               case when cur.tenant_id <> s_tenant[n] then 'foreign'
                    when s_event[n] = (select event_id from events e
                                        where e.aggregate_type = s_type[n]
                                          and e.aggregate_id = s_id[n]
                                          and e.sequence = s_expected[n] + 1) then 'done'
                    else 'version' end, 'detail', coalesce(cur.sequence, 0)::text)
        from generate_series(1, cardinality(s_append)) n
        left join lateral (select e.sequence, e.tenant_id from events e
                            where e.aggregate_type = s_type[n] and e.aggregate_id = s_id[n]
                            order by e.sequence desc limit 1) cur on true
       where coalesce(cur.sequence, 0) <> s_expected[n] or cur.tenant_id <> s_tenant[n]);
  end if;
  if i_append is not null and (ended is null or cardinality(reasons) > 0) then
    reasons := reasons || array(
      select json_build_object('append', i_append[n], 'why', 'idempotency')
        from generate_series(1, cardinality(i_append)) n
       where exists (select from idempotency_keys o
                      where o.tenant_id = i_tenant[n] and o.key = i_key[n]));
  end if;
  if c_append is not null and (ended is null or cardinality(reasons) > 0) then
    reasons := reasons || array(
      select json_build_object('append', c_append[n], 'why', 'claim',
                               'detail', c_scope[n] || ' ' || o.aggregate_id)
        from generate_series(1, cardinality(c_append)) n
       cross join lateral (select aggregate_id from claims o
                            where o.tenant_id = c_tenant[n] and o.scope = c_scope[n]
                              and o.value = c_value[n] limit 1) o);
  end if;
  if k_append is not null and (ended is null or cardinality(reasons) > 0) then
    reasons := reasons || array(
      select json_build_object('append', k_append[n], 'why', 'keys')
        from generate_series(1, cardinality(k_append)) n
       where exists (select from personal_keys o where o.tenant_id = k_tenant[n]
                        and o.subject = k_subject[n] and o.class = k_class[n]));
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
end $$;

revoke execute on function append_events from public;
grant execute on function append_events to verbatim_app;
