//! What the roles of programs that answer requests must not be able to do. Roles belong to the
//! whole cluster: somebody may have spoilt them since they were made.

use sqlx::{PgConnection, PgPool};

use super::OpenError;

const ROLES: [&str; 4] = ["verbatim_app", "verbatim_worker", "verbatim_projector", "verbatim_bi"];

/// Refuses roles with powers of the cluster. Those that don't exist yet have none.
pub(super) async fn check(owner: &mut PgConnection) -> Result<(), OpenError> {
    refuse(owner, POWERS).await
}

/// Refuses, once the database is migrated, what would lead around the log and row security.
pub(super) async fn check_guard(owner: &mut PgConnection, app: &PgPool) -> Result<(), OpenError> {
    refuse(owner, WAYS_AROUND).await?;
    let sees: bool = sqlx::query_scalar("select exists (select from events)")
        .fetch_one(app)
        .await
        .map_err(OpenError::Check)?;
    if sees {
        return Err(OpenError::OwnsTooMuch {
            role: "verbatim_app".to_owned(),
            too_much: "sees events without telling an organisation".to_owned(),
            mend: "drop the policies of the table events that somebody added".to_owned(),
        });
    }
    Ok(())
}

async fn refuse(owner: &mut PgConnection, query: &str) -> Result<(), OpenError> {
    for role in ROLES {
        let found: Option<(String, String)> = sqlx::query_as(query)
            .bind(role)
            .fetch_optional(&mut *owner)
            .await
            .map_err(OpenError::Check)?;
        if let Some((too_much, mend)) = found {
            return Err(OpenError::OwnsTooMuch { role: role.to_owned(), too_much, mend });
        }
    }
    Ok(())
}

/// What a role has that it must not have, and how to take it away; the greatest power first, for
/// it may be why the role seems to have the others.
const POWERS: &str = "
with r as (select * from pg_roles where rolname = $1)
select too_much, mend from (
  select 1 as no, 'is a superuser' as too_much, format('alter role %I nosuperuser', rolname) as mend
    from r where rolsuper
  union all
  select 2, 'bypasses row security', format('alter role %I nobypassrls', rolname)
    from r where rolbypassrls
  union all
  select 3, 'may make roles', format('alter role %I nocreaterole', rolname) from r where rolcreaterole
  union all
  select 4, 'may make databases', format('alter role %I nocreatedb', rolname)
    from r where rolcreatedb
  union all
  select 5, 'may copy the whole cluster', format('alter role %I noreplication', rolname)
    from r where rolreplication
  union all
  select 6, format('may become %I', m.rolname), format('revoke %I from %I', m.rolname, r.rolname)
    from r join pg_roles m on m.oid <> r.oid and pg_has_role(r.oid, m.oid, 'MEMBER')
   where m.rolsuper or m.rolbypassrls or m.rolcreaterole or m.rolname = current_user
      or m.rolname in ('verbatim_app', 'verbatim_worker', 'verbatim_projector', 'pg_read_all_data',
        'pg_write_all_data', 'pg_read_server_files', 'pg_write_server_files',
        'pg_execute_server_program')
  union all
  select 7, format('owns %s, itself or through a role it belongs to', owned),
      format('give %s to the role that migrates', owned)
    from r, lateral (
      select c.oid::regclass::text as owned, c.relowner as owner
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where c.relkind in ('r', 'p', 'v', 'm', 'S') and n.nspname in ('public', 'read', 'read_data')
      union all
      select 'the function ' || p.proname, p.proowner from pg_proc p
       where p.pronamespace = 'public'::regnamespace
      union all
      select 'the schema ' || nspname, nspowner from pg_namespace
       where nspname in ('read', 'read_data')
      union all
      select 'the database ' || datname, datdba from pg_database where datname = current_database()
    ) o where pg_has_role(r.oid, o.owner, 'USAGE')
) powers order by no limit 1";

const WAYS_AROUND: &str = "
with r as (select * from pg_roles where rolname = $1)
select too_much, mend from (
  select 1 as no, 'may write events past the functions that append' as too_much,
      format('revoke insert, update, delete, truncate on events from public, %I', rolname) as mend
    from r where has_table_privilege(oid, 'public.events', 'INSERT, UPDATE, DELETE, TRUNCATE')
  union all
  select 2, 'may make things in the schema public',
      format('revoke create on schema public from public, %I', rolname)
    from r where has_schema_privilege(oid, 'public', 'CREATE')
  union all
  select 3, format('reads %s of every organisation', c.oid::regclass),
      format('alter table %s enable row level security', c.oid::regclass)
    from r join pg_class c on c.relkind in ('r', 'p') and not c.relrowsecurity
    join pg_namespace n on n.oid = c.relnamespace and n.nspname in ('public', 'read_data')
    join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
   where has_any_column_privilege(r.oid, c.oid, 'SELECT')
  union all
  select 4, format('is lent to %I, which row security does not stop', l.login),
      format('delete from bi_logins where login = %L', l.login)
    from r join bi_logins l on r.rolname = 'verbatim_bi'
    join pg_roles m on m.rolname = l.login and (m.rolsuper or m.rolbypassrls)
) ways order by no limit 1";
