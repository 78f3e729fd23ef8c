-- Up to PostgreSQL 17 a function in SQL is planned whenever it is called, which takes ten times as long
-- as to look for the end of the log; one in PL/pgSQL once in a session. Every idle reader asks five
-- times a second.
create or replace function log_head() returns bigint
language plpgsql stable security definer set search_path = public, pg_temp as $$
begin
  return coalesce((select max(position) from events), 0);
end $$;
