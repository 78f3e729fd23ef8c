-- An append brings the keys that its personal data is encrypted under, where these are new: nothing
-- is encrypted under a key that a crash could lose, and a new person costs no commit of their own.
-- Of arrays that begin with k: somebody else made that key meanwhile, which refuses the append with
-- the reason 'keys', after all other reasons. The rest is as in `append`, but that positions are
-- counted one by one only where something is refused. `append` stays for servers of the release
-- before, which go on beside a rebuild of this one: both take the same lock.
create function append_with_keys(
    e_append int[], e_type text[], e_id text[], e_seq bigint[], e_name text[], e_ver text[],
    e_payload text[], e_meta text[], e_tenant uuid[], e_event uuid[], e_actor text[],
    e_command uuid[], e_corr uuid[], e_cause uuid[],
    s_append int[], s_tenant uuid[], s_type text[], s_id text[], s_expected bigint[],
    s_event uuid[],
    i_append int[], i_last int[], i_tenant uuid[], i_key bytea[], i_print bytea[], i_status int[],
    i_response bytea[],
    c_append int[], c_tenant uuid[], c_scope text[], c_value bytea[], c_owner text[],
    k_append int[], k_tenant uuid[], k_subject uuid[], k_class smallint[], k_wrapped bytea[],
    a_group int[], erasures_seen bigint, clock timestamptz,
    out first bigint, out at timestamptz, out refused json)
language plpgsql volatile security definer
set search_path = public, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
set plan_cache_mode = force_generic_plan
as $$
declare last bigint; was timestamptz; bad int[];
begin
  perform pg_advisory_xact_lock(7201);
  select position, recorded_at into last, was from events order by position desc limit 1;
  first := coalesce(last, 0) + 1;
  at := greatest(coalesce(clock, clock_timestamp()), was);
  if erasures_seen is distinct from (select no from erasures order by no desc limit 1) then
    refused := '[{"append": 0, "why": "erasures"}]';
    return;
  end if;
  with reasons(append, why, detail) as (
    select s.append,
           case when cur.tenant_id <> s.tenant then 'foreign'
                when s.event = (select event_id from events e
                                 where e.aggregate_type = s.type and e.aggregate_id = s.id
                                   and e.sequence = s.expected + 1) then 'done'
                else 'version' end,
           coalesce(cur.sequence, 0)::text
      from unnest(s_append, s_tenant, s_type, s_id, s_expected, s_event)
           s(append, tenant, type, id, expected, event)
      left join lateral (select e.sequence, e.tenant_id from events e
                          where e.aggregate_type = s.type and e.aggregate_id = s.id
                          order by e.sequence desc limit 1) cur on true
     where coalesce(cur.sequence, 0) <> s.expected or cur.tenant_id <> s.tenant
    union all
    select i.append, 'idempotency', null
      from unnest(i_append, i_tenant, i_key) i(append, tenant, key)
     where exists (select from idempotency_keys o where o.tenant_id = i.tenant and o.key = i.key)
    union all
    select c.append, 'claim', c.scope || ' ' || o.aggregate_id
      from unnest(c_append, c_tenant, c_scope, c_value) c(append, tenant, scope, value)
     cross join lateral (select aggregate_id from claims o
                          where o.tenant_id = c.tenant and o.scope = c.scope
                            and o.value = c.value limit 1) o
    union all
    select k.append, 'keys', null
      from unnest(k_append, k_tenant, k_subject, k_class) k(append, tenant, subject, class)
     where exists (select from personal_keys o where o.tenant_id = k.tenant
                      and o.subject = k.subject and o.class = k.class)
  )
  select json_agg(r), coalesce(array_agg(a_group[r.append]), '{}') into refused, bad
    from reasons r;
  insert into events
    select type, id, seq, name, ver, payload::json, meta::json,
           case bad when '{}' then first - 1 + n
             else (select first - 1 + count(*) from unnest(e_append) with ordinality o(append, m)
                    where m <= n and a_group[o.append] <> all (bad)) end,
           tenant, event, actor, command, corr, cause, at
      from unnest(e_append, e_type, e_id, e_seq, e_name, e_ver, e_payload, e_meta, e_tenant,
                  e_event, e_actor, e_command, e_corr, e_cause) with ordinality
           u(append, type, id, seq, name, ver, payload, meta, tenant, event, actor, command, corr,
             cause, n)
     where a_group[u.append] <> all (bad);
  if i_append <> '{}' then
    insert into idempotency_keys
      select i.tenant, i.key, i.print,
             case bad when '{}' then first - 1 + i.last
               else (select first - 1 + count(*) from unnest(e_append) n
                      where n <= i.append and a_group[n] <> all (bad)) end,
             i.status, i.response, at
        from unnest(i_append, i_last, i_tenant, i_key, i_print, i_status, i_response)
             i(append, last, tenant, key, print, status, response)
       where a_group[i.append] <> all (bad);
  end if;
  if c_append <> '{}' then
    insert into claims
      select tenant, scope, value, owner
        from unnest(c_append, c_tenant, c_scope, c_value, c_owner)
             c(append, tenant, scope, value, owner)
       where a_group[append] <> all (bad);
  end if;
  if k_append <> '{}' then
    insert into personal_keys (tenant_id, subject, class, wrapped)
      select tenant, subject, class, wrapped
        from unnest(k_append, k_tenant, k_subject, k_class, k_wrapped)
             k(append, tenant, subject, class, wrapped)
       where a_group[append] <> all (bad);
  end if;
end $$;

revoke execute on function append_with_keys from public;
grant execute on function append_with_keys to verbatim_app;
