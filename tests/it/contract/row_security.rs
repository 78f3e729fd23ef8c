//! Row security behind the finders: whatever asks without telling its organisation sees nothing,
//! and SQL users see the one that they were given.

use event_store::Database;
use event_store::database::Connections;
use serde_json::json;
use sqlx::{ConnectOptions, Connection, Executor, PgConnection, PgPool};
use uuid::Uuid;

use super::shop;
use crate::support::{ANA, App, Organization};

/// Tables with organisations' rows that the app may read.
async fn guarded(owner: &PgPool) -> Vec<String> {
    sqlx::query_scalar(
        "select c.oid::regclass::text from pg_class c
           join pg_namespace n on n.oid = c.relnamespace and n.nspname in ('public', 'read_data')
           join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
          where c.relkind = 'r' and has_table_privilege('verbatim_app', c.oid, 'SELECT')
          order by 1",
    )
    .fetch_all(owner)
    .await
    .unwrap()
}

async fn count(db: &PgPool, table: &str, tenant: Option<Uuid>) -> i64 {
    let mut tx = db.begin().await.unwrap();
    if let Some(tenant) = tenant {
        let tell = sqlx::query("select set_config('app.tenant', $1, true)");
        tell.bind(tenant.to_string()).execute(&mut *tx).await.unwrap();
    }
    let query = format!("select count(*) from {table}");
    sqlx::query_scalar(&query).fetch_one(&mut *tx).await.unwrap()
}

/// Two organisations in which something happened.
async fn two() -> (App, Organization, Organization) {
    let (app, ours) = shop().await;
    let theirs = app.organization("Elsewhere").await;
    for organization in [&ours, &theirs] {
        app.say(organization, &ANA, "wamid.1", 0, "Hello").await;
        let contact = json!({"name": "Ben"});
        let key = [("idempotency-key", "ben")];
        let post = reqwest::Method::POST;
        app.send(post, &organization.agent, "/v1/contacts", Some(contact), &key).await.expect(201);
    }
    app.settle().await;
    (app, ours, theirs)
}

#[tokio::test]
async fn a_query_that_tells_no_organisation_sees_nothing() {
    let (app, ours, theirs) = two().await;
    let (owner, pool) = (&app.db.database.owner, app.db.database.app.pool());
    let tables = guarded(owner).await;
    for known in ["events", "claims", "idempotency_keys", "secrets", "read_data.inbox_g1"] {
        assert!(tables.iter().any(|table| table == known), "{known}: {tables:?}");
    }
    for table in tables {
        let of = async |tenant: Uuid| -> i64 {
            let query = format!("select count(*) from {table} where tenant_id = $1");
            sqlx::query_scalar(&query).bind(tenant).fetch_one(owner).await.unwrap()
        };
        assert_eq!(count(pool, &table, None).await, 0, "{table}");
        assert_eq!(count(pool, &table, Some(Uuid::now_v7())).await, 0, "{table}");
        for tenant in [ours.id, theirs.id] {
            assert_eq!(count(pool, &table, Some(tenant)).await, of(tenant).await, "{table}");
        }
        // The engine's own roles see all that they are granted.
        let all: i64 = count(owner, &table, None).await;
        for (role, pool) in
            [("projector", &app.db.database.projector), ("worker", &app.db.database.worker)]
        {
            let granted = "select has_table_privilege('verbatim_' || $1, $2, 'SELECT')";
            let granted = sqlx::query_scalar(granted).bind(role).bind(&table);
            let granted: bool = granted.fetch_one(owner).await.unwrap();
            if granted {
                assert_eq!(count(pool, &table, None).await, all, "{role} {table}");
            }
        }
    }
}

#[tokio::test]
async fn nobody_writes_into_another_organisation() {
    let (app, ours, theirs) = two().await;
    let mut tx = app.db.database.app.pool().begin().await.unwrap();
    sqlx::query("select set_config('app.tenant', $1, true)")
        .bind(ours.id.to_string())
        .execute(&mut *tx)
        .await
        .unwrap();
    let subject = Uuid::now_v7();
    let key = "insert into personal_keys values ($1, $2, 1, 'x')";
    sqlx::query(key).bind(ours.id).bind(subject).execute(&mut *tx).await.unwrap();
    let refused = sqlx::query(key).bind(theirs.id).bind(subject).execute(&mut *tx).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("row-level security"), "{refused}");
}

#[tokio::test]
async fn a_server_starts_only_where_all_that_it_reads_is_guarded() {
    let (app, ..) = two().await;
    let open = async || {
        let opened = Database::open(app.db.options.clone(), Connections::default(), false).await;
        opened.map(|_| ()).map_err(|error| error.to_string())
    };
    open().await.unwrap();
    let owner = &app.db.database.owner;
    for (wrong, words, right) in [
        (
            "alter table read_data.inbox_g1 disable row level security",
            "reads read_data.inbox_g1 of every organisation",
            "alter table read_data.inbox_g1 enable row level security",
        ),
        (
            "create policy helpful on events using (true)",
            "sees events without telling an organisation",
            "drop policy helpful on events",
        ),
    ] {
        owner.execute(wrong).await.unwrap();
        let refused = open().await.unwrap_err();
        assert!(refused.contains(words), "{refused}");
        owner.execute(right).await.unwrap();
    }
    open().await.unwrap();
}

/// A login for SQL users, gone with the value's `drop`.
async fn login(app: &App) -> (String, PgConnection) {
    let name = format!("bi_{}", Uuid::now_v7().simple());
    let made = format!("create role {name} login in role verbatim_bi");
    app.db.database.owner.execute(made.as_str()).await.unwrap();
    let session = app.db.options.clone().username(&name).connect().await.unwrap();
    (name, session)
}

async fn conversations(session: &mut PgConnection) -> Vec<Uuid> {
    let query = "select distinct tenant_id from read.inbox";
    sqlx::query_scalar(query).fetch_all(session).await.unwrap()
}

#[tokio::test]
async fn an_sql_user_sees_the_organisation_that_the_owner_gave_them() {
    let (app, ours, theirs) = two().await;
    let owner = &app.db.database.owner;
    let (name, mut session) = login(&app).await;
    assert!(conversations(&mut session).await.is_empty(), "nobody gave them one yet");
    sqlx::query("insert into bi_logins values ($1::text::name, $2)")
        .bind(&name)
        .bind(ours.id)
        .execute(owner)
        .await
        .unwrap();
    assert_eq!(conversations(&mut session).await, [ours.id]);
    // No setting and no role leads out of it.
    for attempt in [
        format!("set app.tenant = '{}'", theirs.id),
        "set row_security = off".into(),
        "set row_security = on".into(),
        "set role verbatim_bi".into(),
    ] {
        session.execute(attempt.as_str()).await.unwrap();
        let seen = sqlx::query_scalar::<_, Uuid>("select distinct tenant_id from read.inbox");
        let seen = seen.fetch_all(&mut session).await.unwrap_or_else(|_| vec![ours.id]);
        assert_eq!(seen, [ours.id], "{attempt}");
    }
    for attempt in [
        "set role verbatim_app",
        "set session authorization verbatim_app",
        "select * from events",
        "select * from bi_logins",
        "update bi_logins set tenant_id = gen_random_uuid()",
        "delete from read.inbox",
        "select * from secrets",
    ] {
        assert!(session.execute(attempt).await.is_err(), "{attempt}");
    }
    // What is built anew is under the same guard, and within reach.
    let inbox = projections::model("inbox").unwrap();
    app.rebuild(&[inbox]).await;
    assert_eq!(conversations(&mut session).await, [ours.id]);
    session.close().await.unwrap();
    let gone = format!("drop owned by {name}; drop role {name}");
    owner.execute(gone.as_str()).await.unwrap();
}
