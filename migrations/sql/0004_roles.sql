-- Who may do what. The owner migrates and makes read models' tables; the others own nothing.
-- Roles belong to the whole cluster, so another database may have made them already.
do $$
declare name text;
begin
  foreach name in array array['verbatim_app', 'verbatim_projector', 'verbatim_bi'] loop
    if not exists (select from pg_roles where rolname = name) then
      begin
        execute format('create role %I nologin nobypassrls', name);
      exception when duplicate_object or unique_violation then null;
      end;
    end if;
    -- Who migrates also opens the pools that work under these roles.
    if not pg_has_role(current_user, name, 'MEMBER') then
      execute format('grant %I to %I', name, current_user);
    end if;
  end loop;
end $$;

revoke execute on function append from public;
grant usage on schema public, read_data to verbatim_app, verbatim_projector;
grant usage on schema read to verbatim_bi;

grant select on events, epochs, erasures, generations, dead_letters, idempotency_keys, claims,
  personal_keys, secrets, subscriptions to verbatim_app;
grant execute on function append to verbatim_app;
grant insert, update on personal_keys, subscriptions to verbatim_app;
grant insert on secrets, erasures to verbatim_app;

grant select on rebuild_progress to verbatim_app;
grant select on events, epochs to verbatim_projector;
grant select, insert, update, delete on generations, dead_letters to verbatim_projector;
