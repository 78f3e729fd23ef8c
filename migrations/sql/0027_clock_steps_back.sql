-- A clock that was ahead and is set right leaves times in what is the future now. None of them may
-- keep anything waiting until then.

-- As before, but a bucket is never emptier than empty: it fills within `per`, whatever it says.
create or replace function take_tokens(
    name bytea, burst int, per interval, wanted int,
    out granted int, out remaining int, out retry_after interval, out full_after interval)
language plpgsql volatile set search_path = public, pg_temp as $$
declare
  every interval := per / burst;
  -- Not `per`, which the rounding of `every` may have missed.
  most interval := every * burst;
  at timestamptz;
  full_then timestamptz;
  there int;
begin
  -- Writes nothing new; it locks the bucket.
  insert into rate_limits as r values (name, clock_timestamp())
    on conflict (bucket) do update set full_at = r.full_at returning r.full_at into full_then;
  at := clock_timestamp();
  if full_then > at + most then
    full_then := at + most;
    update rate_limits r set full_at = full_then where r.bucket = name;
  end if;
  full_then := greatest(full_then, at);
  there := floor(extract(epoch from most - (full_then - at)) / extract(epoch from every));
  granted := greatest(least(wanted, there), 0);
  if granted > 0 then
    full_then := full_then + every * granted;
    update rate_limits r set full_at = full_then where r.bucket = name;
  end if;
  full_after := full_then - at;
  remaining := greatest(there - granted, 0);
  retry_after := case when granted > 0 then '0' else greatest(full_after + every - most, '0') end;
  -- Now and then somebody sweeps out what is full again.
  if random() < 0.001 then
    delete from rate_limits r where r.bucket in
      (select f.bucket from rate_limits f where f.full_at < at limit 1000 for update skip locked);
  end if;
end $$;

-- A rest that began in the future is none.
alter table line_rests add column since timestamptz not null default clock_timestamp();

-- By which effects are found that were touched in the future: they are due.
create index effects_touched on effects (updated_at) where state in ('pending', 'unknown');
