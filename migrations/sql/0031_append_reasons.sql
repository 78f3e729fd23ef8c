-- Why an append is refused is looked for by a function of its own, where somebody has to be asked: its
-- settings cost every append that enters them, and most are vouched for. What the arrays mean, and what
-- is answered, is told in the migration `append_events`, but for a batch that is vouched for: it is
-- written whole, or sent again with all its streams. Of an append whose streams were left out nobody
-- can say whether what stands in its way was written by itself, the first time that it was sent.
create function append_reasons(
    s_append int[], s_tenant uuid[], s_type text[], s_id text[], s_expected bigint[],
    s_event uuid[],
    i_append int[], i_tenant uuid[], i_key bytea[],
    c_append int[], c_tenant uuid[], c_scope text[], c_value bytea[],
    k_append int[], k_tenant uuid[], k_subject uuid[], k_class smallint[])
returns json[]
language plpgsql volatile
set search_path = public, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
set plan_cache_mode = force_generic_plan
as $$
declare reasons json[] := '{}';
begin
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
  if i_append is not null then
    reasons := reasons || array(
      select json_build_object('append', i_append[n], 'why', 'idempotency')
        from generate_series(1, cardinality(i_append)) n
       where exists (select from idempotency_keys o
                      where o.tenant_id = i_tenant[n] and o.key = i_key[n]));
  end if;
  if c_append is not null then
    reasons := reasons || array(
      select json_build_object('append', c_append[n], 'why', 'claim',
                               'detail', c_scope[n] || ' ' || o.aggregate_id)
        from generate_series(1, cardinality(c_append)) n
       cross join lateral (select aggregate_id from claims o
                            where o.tenant_id = c_tenant[n] and o.scope = c_scope[n]
                              and o.value = c_value[n] limit 1) o);
  end if;
  if k_append is not null then
    reasons := reasons || array(
      select json_build_object('append', k_append[n], 'why', 'keys')
        from generate_series(1, cardinality(k_append)) n
       where exists (select from personal_keys o where o.tenant_id = k_tenant[n]
                        and o.subject = k_subject[n] and o.class = k_class[n]));
  end if;
  return reasons;
end $$;
revoke execute on function append_reasons from public;

create or replace function append_events(
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
-- A log that was short when the plan was made is not read from its beginning when it has grown.
set enable_seqscan = off
as $$
declare
  last bigint; was timestamptz; erased bigint;
  reasons json[]; bad int[] := '{}'; places int[];
begin
  perform pg_advisory_xact_lock(7201);
  select e.position, e.recorded_at, (select no from erasures order by no desc limit 1)
    into last, was, erased
    from (select) one
    left join lateral (select position, recorded_at from events order by position desc limit 1) e
      on true;
  first := coalesce(last, 0) + 1;
  at := greatest(coalesce(clock, clock_timestamp()), was);
  if erasures_seen is distinct from erased then
    refused := '[{"append": 0, "why": "erasures"}]';
    return;
  end if;
  if ended <> first - 1 then
    refused := '[{"append": 0, "why": "moved"}]';
    return;
  end if;
  if ended is null then
    reasons := append_reasons(
      s_append, s_tenant, s_type, s_id, s_expected, s_event, i_append, i_tenant, i_key,
      c_append, c_tenant, c_scope, c_value, k_append, k_tenant, k_subject, k_class);
  elsif s_append is not null and cardinality(append_reasons(
      s_append, s_tenant, s_type, s_id, s_expected, s_event, null, null, null,
      null, null, null, null, null, null, null, null)) > 0 then
    -- It will be looked up with the rest.
    refused := '[{"append": 0, "why": "moved"}]';
    return;
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

