//! Teams: members who take work together, in hours of their own.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Answer, App, Organization};

struct Shop {
    app: App,
    organization: Organization,
}

impl Shop {
    async fn open() -> Shop {
        let app = App::start().await;
        let organization = app.organization("Baraka").await;
        Shop { app, organization }
    }

    async fn create(&self, name: &str) -> Answer {
        self.app.post(&self.organization.owner, "/v1/teams", json!({"name": name})).await
    }

    /// The path of a new team.
    async fn team(&self, name: &str) -> String {
        self.create(name).await.expect(201).header("location").to_owned()
    }

    async fn owner(&self, method: Method, path: &str, body: Value) -> Answer {
        self.app.send(method, &self.organization.owner, path, Some(body), &[]).await
    }

    async fn seen_since(&self, answer: &Answer, path: &str) -> Value {
        let seen = self.app.get_since(answer, &self.organization.agent, path).await.expect(200);
        assert_eq!(seen.version(), answer.version());
        seen.data()
    }
}

#[tokio::test]
async fn members_come_and_go_and_may_lead() {
    let shop = Shop::open().await;
    let (team, agent) = (shop.team("Deliveries").await, shop.organization.agent_id);
    let of = |user: Uuid| format!("{team}/members/{user}");
    shop.owner(Method::PUT, &of(agent), json!({})).await.expect(200);
    let led = shop.owner(Method::PUT, &of(agent), json!({"role": "lead"})).await.expect(200);
    let seen = shop.seen_since(&led, &team).await;
    let mate = json!([{"user_id": agent, "name": "agent", "role": "lead", "active": true}]);
    assert_eq!((&seen["name"], &seen["members"]), (&json!("Deliveries"), &mate));
    let mine = format!("/v1/teams?member={agent}");
    let mine = shop.app.get(&shop.organization.agent, &mine).await.expect(200).data();
    assert_eq!(mine.as_array().unwrap().len(), 1);
    let of_team = format!("/v1/members?team={}", seen["id"].as_str().unwrap());
    let of_team = shop.app.get_since(&led, &shop.organization.agent, &of_team).await.expect(200);
    assert_eq!(of_team.data()[0]["id"], json!(agent));
    for stranger in [Uuid::now_v7(), shop.app.organization("Obi").await.agent_id] {
        for (method, body) in [(Method::PUT, json!({})), (Method::DELETE, Value::Null)] {
            let refused = shop.owner(method, &of(stranger), body).await;
            assert_eq!(refused.refused(404), "team.unknown_member");
        }
    }
    shop.owner(Method::DELETE, &of(agent), Value::Null).await.expect(200);
    let left = shop.owner(Method::DELETE, &of(agent), Value::Null).await.expect(200);
    assert_eq!(shop.seen_since(&left, &team).await["members"], json!([]));
    shop.app.assert_verified().await;
}

#[tokio::test]
async fn a_name_is_one_teams_until_it_is_given_back() {
    let shop = Shop::open().await;
    let team = shop.team("Deliveries").await;
    assert_eq!(shop.create(" deliveries ").await.refused(409), "team.name_taken");
    shop.owner(Method::PATCH, &team, json!({"name": "DELIVERIES"})).await.expect(200);
    shop.owner(Method::PATCH, &team, json!({"name": "Returns"})).await.expect(200);
    let other = shop.team("Deliveries").await;
    let taken = shop.owner(Method::PATCH, &team, json!({"name": "Deliveries"})).await;
    assert_eq!(taken.refused(409), "team.name_taken");
    shop.owner(Method::DELETE, &other, Value::Null).await.expect(200);
    let renamed = shop.owner(Method::PATCH, &team, json!({"name": "Deliveries"})).await.expect(200);
    let deleted = shop.owner(Method::PATCH, &other, json!({"name": "Anything"})).await;
    assert_eq!(deleted.refused(409), "team.deleted");
    let count = async |query: &str| {
        let path = format!("/v1/teams?{query}");
        let list = shop.app.get_since(&renamed, &shop.organization.agent, &path).await.expect(200);
        list.data().as_array().unwrap().len()
    };
    assert_eq!((count("").await, count("include_deleted=true").await), (1, 2));
    assert_eq!(shop.create("").await.refused(422), "team.invalid_name");
}

#[tokio::test]
async fn a_team_works_by_the_clocks_of_one_place() {
    let shop = Shop::open().await;
    let path = format!("{}/schedule", shop.team("Deliveries").await);
    let week = |timezone: &str, monday: Value| json!({"schedule": {"timezone": timezone, "days": [[], monday, [], [], [], [], []]}});
    let hours = json!([{"from": "08:00", "to": "12:00"}, {"from": "13:00", "to": "24:00"}]);
    let set = async |body: Value| shop.owner(Method::PUT, &path, body).await;
    let told = set(week("africa/nairobi", hours.clone())).await.expect(200).data();
    assert_eq!(told["schedule"]["timezone"], "Africa/Nairobi");
    assert_eq!(told["schedule"]["days"][1], hours);
    let nowhere = set(week("Africa/Baraka", hours)).await;
    assert_eq!(nowhere.refused(422), "team.unknown_timezone");
    assert_eq!(nowhere.json()["errors"][0]["field"], "schedule.timezone");
    let backwards = set(week("UTC", json!([{"from": "17:00", "to": "08:00"}]))).await;
    assert_eq!(backwards.refused(422), "request.invalid");
    assert!(backwards.text.contains("begin before they end"), "{}", backwards.text);
    assert_eq!(set(json!({"schedule": null})).await.expect(200).data()["schedule"], Value::Null);
}

#[tokio::test]
async fn teams_are_made_by_owner_and_admin_and_seen_by_all_of_the_organisation() {
    let shop = Shop::open().await;
    let team = shop.team("Deliveries").await;
    let (app, organization) = (&shop.app, &shop.organization);
    for key in [&organization.agent, &organization.auditor] {
        let refused = app.post(key, "/v1/teams", json!({"name": "Mine"})).await;
        assert_eq!(refused.refused(403), "permission.denied");
    }
    app.settle().await;
    app.get(&organization.auditor, &team).await.expect(200);
    let other = app.organization("Obi").await;
    assert_eq!(app.get(&other.owner, &team).await.refused(404), "not_found");
    let foreign = app.send(Method::DELETE, &other.owner, &team, None, &[]).await;
    assert_eq!(foreign.refused(404), "team.not_found");
    // A name is taken in one's own organisation only.
    app.post(&other.owner, "/v1/teams", json!({"name": "Deliveries"})).await.expect(201);
}
