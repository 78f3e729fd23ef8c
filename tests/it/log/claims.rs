//! Looking claims up: each who asks gets their own, whoever else asks at the same time.

use event_store::claims::CLAIMS;
use event_store::tenant::within;
use futures_util::future::join_all;
use uuid::Uuid;

use super::TENANT;
use crate::support::TestDatabase;

const OTHER: Uuid = Uuid::from_u128(2);

async fn claim(db: &TestDatabase, tenant: Uuid, count: i32) {
    sqlx::query(
        "insert into claims select $1, 'message', sha256(n::text::bytea), $1 || ' ' || n
           from generate_series(1, $2) n",
    )
    .bind(tenant)
    .bind(count)
    .execute(&db.database.owner)
    .await
    .unwrap();
}

#[tokio::test]
async fn looking_up_claims_never_scans_them_all() {
    let db = TestDatabase::new().await;
    let store = db.store().await;
    claim(&db, TENANT, 50_000).await;
    sqlx::query("analyze claims").execute(&db.database.owner).await.unwrap();
    let wanted: Vec<(&str, Vec<u8>)> = (0..100u8).map(|n| ("message", vec![n; 16])).collect();
    let plan: Vec<String> = sqlx::query_scalar(&format!("explain {}", within(CLAIMS)))
        .bind(TENANT)
        .bind(vec![1; wanted.len()])
        .bind(wanted.iter().map(|(scope, _)| *scope).collect::<Vec<_>>())
        .bind(wanted.iter().map(|(_, low)| low.clone()).collect::<Vec<_>>())
        .bind(
            wanted
                .iter()
                .map(|(_, low)| [low.as_slice(), &[0xff; 65]].concat())
                .collect::<Vec<_>>(),
        )
        .fetch_all(&db.database.owner)
        .await
        .unwrap();
    assert!(!plan.join("\n").contains("Seq Scan"), "{}", plan.join("\n"));
    assert_eq!(store.claims(TENANT, &wanted).await.unwrap().len(), 0);
}

#[tokio::test]
async fn many_who_ask_at_once_each_get_what_they_asked_for() {
    let db = TestDatabase::new().await;
    let store = db.store().await;
    for tenant in [TENANT, OTHER] {
        claim(&db, tenant, 100).await;
    }
    let all: Vec<(Uuid, String, Vec<u8>)> =
        sqlx::query_as("select tenant_id, aggregate_id, value from claims")
            .fetch_all(&db.database.owner)
            .await
            .unwrap();
    let asked = all.iter().map(async |(tenant, owner, value)| {
        let wanted = [("message", value[..20].to_vec()), ("notice", value.clone())];
        let found = store.claims(*tenant, &wanted).await.unwrap();
        let found: Vec<_> = found.iter().map(|claim| (claim.tenant, &claim.owner)).collect();
        assert_eq!(found, [(*tenant, owner)]);
    });
    join_all(asked).await;
    assert!(store.claims(TENANT, &[]).await.unwrap().is_empty());
    let everything = store.claims(TENANT, &[("message", vec![])]).await.unwrap();
    assert_eq!(everything.len(), 100);
    assert!(everything.is_sorted_by_key(|claim| claim.value.clone()));
}
