-- Takes all of `wanted` tokens, at most `burst`, or none. `retry_after` tells when there are so many.
create function take_all_tokens(
    name bytea, burst int, per interval, wanted int,
    out granted int, out remaining int, out retry_after interval, out full_after interval)
language plpgsql volatile set search_path = public, pg_temp as $$
begin
  -- Takes none; it locks the bucket, which can only become fuller from here on.
  select t.* into granted, remaining, retry_after, full_after
    from take_tokens(name, burst, per, 0) t;
  if remaining >= wanted then
    select t.* into granted, remaining, retry_after, full_after
      from take_tokens(name, burst, per, wanted) t;
  else
    retry_after := greatest(full_after - per / burst * (burst - wanted), '0');
  end if;
end $$;
