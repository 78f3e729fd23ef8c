-- How much of each limit is used, for all processes together (the generic cell rate algorithm). A
-- row is a bucket of tokens; one whose time has passed is full, as good as none. Unlogged: a crash
-- of the database fills all buckets, and taking a token waits for no disk.
create unlogged table rate_limits (
    bucket  bytea primary key,
    full_at timestamptz not null
) with (fillfactor = 70);

-- Takes a token out of a bucket that holds at most `burst` and fills from empty within `per`.
-- `retry_after` is zero where a token was taken; `full_after` tells when all of them are back.
create function take_token(
    name bytea, burst int, per interval,
    out allowed boolean, out remaining int, out retry_after interval, out full_after interval)
language plpgsql volatile set search_path = public, pg_temp as $$
declare
  every interval := per / burst;
  -- Not `per`, which the rounding of `every` may have missed.
  most interval := every * burst;
  at timestamptz := clock_timestamp();
  full_then timestamptz;
begin
  insert into rate_limits as r values (name, at + every)
    on conflict (bucket) do update set full_at = greatest(r.full_at, at) + every
      where greatest(r.full_at, at) + every <= at + most
    returning r.full_at into full_then;
  allowed := found;
  if not allowed then
    select r.full_at into full_then from rate_limits r where r.bucket = name;
  end if;
  full_after := greatest(full_then - at, '0');
  remaining := greatest(floor(extract(epoch from most - full_after) / extract(epoch from every)), 0);
  retry_after := case when allowed then '0' else greatest(full_after + every - most, '0') end;
  -- Now and then somebody sweeps out what is full again.
  if random() < 0.001 then
    delete from rate_limits r where r.bucket in
      (select f.bucket from rate_limits f where f.full_at < at limit 1000 for update skip locked);
  end if;
end $$;

grant select, insert, update, delete on rate_limits to verbatim_app;
