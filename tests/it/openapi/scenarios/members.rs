//! For each operation on people and their organisation what makes it succeed, and what makes it
//! refuse.

use commands::access::staff;
use commands::setup;
use domain::aggregate::Role;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Shop, missing};
use crate::support::{Answer, Mail, PASSWORD};

impl Shop {
    async fn owner(&self, method: Method, path: &str, body: Value) -> Answer {
        let key = Uuid::now_v7().to_string();
        let headers = [("idempotency-key", key.as_str())];
        let owner = &self.organization.owner;
        let rehearsal = self.rehearse(&method, owner, path, &body).await;
        let answer = self.app.send(method, owner, path, Some(body), &headers).await;
        rehearsal.came_true(&answer);
        answer
    }

    /// A command of the owner's that succeeds, and the same on what is not there.
    async fn owners(&self, method: Method, path: &str, id: &str, under: &str, body: Value) {
        let here = format!("{path}/{id}{under}");
        let answer = self.owner(method.clone(), &here, body.clone()).await;
        assert!(answer.status.is_success(), "{}", answer.text);
        let absent = format!("{path}/{}{under}", self.nobody);
        self.owner(method, &absent, body).await.refused(404);
    }

    pub(super) async fn invitation(&self, verb: &str) {
        let path = "/v1/invitations";
        let email = format!("{}@baraka.example", Uuid::now_v7().simple());
        let guest = json!({"email": email, "role": "supervisor"});
        let mail = Mail::of(&self.app);
        let made = self.owner(Method::POST, path, guest.clone()).await.expect(201);
        let id = made.data()["id"].as_str().unwrap().to_owned();
        match verb {
            "create" => drop(self.owner(Method::POST, path, guest).await.refused(409)),
            "create_many" => {
                let many = format!("{path}/bulk");
                let guests = json!({"invitations": [guest, {"email": format!("o-{email}")}]});
                self.owner(Method::POST, &many, guests).await.expect(200);
                self.owner(Method::POST, &many, json!({"invitations": []})).await.refused(422);
            }
            "show" => self.shown(path, &id, "").await,
            "resend" | "revoke" => {
                self.owners(Method::POST, path, &id, &format!("/{verb}"), Value::Null).await;
            }
            "by_token" => {
                let token = mail.answer(&self.app, &email).await;
                self.app.get("", &format!("{path}/by-token/{token}")).await.expect(200);
                self.app.get("", &format!("{path}/by-token/vbi_1")).await.refused(404);
            }
            "accept" => {
                let token = mail.answer(&self.app, &email).await;
                let body = json!({"token": token, "name": "Otieno", "password": PASSWORD});
                let path = format!("{path}/accept");
                self.app.post("", &path, body.clone()).await.expect(201);
                self.app.post("", &path, body).await.refused(422);
            }
            _ => missing(verb),
        }
    }

    pub(super) async fn api_key(&self, verb: &str) {
        let path = "/v1/api-keys";
        let till = json!({"name": "Till", "scopes": ["read"]});
        let made = self.owner(Method::POST, path, till).await.expect(201);
        let id = made.data()["id"].as_str().unwrap().to_owned();
        match verb {
            "create" => {
                drop(self.owner(Method::POST, path, json!({"scopes": ["read"]})).await.refused(422))
            }
            "show" => self.shown(path, &id, "").await,
            "change" => {
                self.owners(Method::PATCH, path, &id, "", json!({"expires_in_days": 30})).await;
            }
            "rotate" => self.owners(Method::POST, path, &id, "/rotate", Value::Null).await,
            "revoke" => self.owners(Method::DELETE, path, &id, "", Value::Null).await,
            _ => missing(verb),
        }
    }

    /// A token for a key, and none for a guess.
    pub(super) async fn token(&self) {
        let till = json!({"name": "Till", "scopes": ["read"]});
        let made = self.owner(Method::POST, "/v1/api-keys", till).await.expect(201).data();
        let [id, key] = ["id", "key"].map(|name| made[name].as_str().unwrap());
        for (secret, status) in [(key, 200), ("vb_guess", 401)] {
            let form = [("grant_type", "client_credentials")];
            let told = self.app.post_form(Some((id, secret)), "/v1/auth/token", &form).await;
            told.expect(status);
        }
    }

    pub(super) async fn member(&self, verb: &str) {
        let (path, agent) = ("/v1/members", &self.organization.agent);
        let (commands, organization) = (&self.app.commands, self.organization.id);
        let id = setup::register_user(commands, organization, "Otieno", Role::Agent).await.unwrap();
        let id = id.to_string();
        match verb {
            "show" => self.shown(path, &id, "").await,
            "change" => {
                self.owners(Method::PATCH, path, &id, "", json!({"role": "supervisor"})).await;
            }
            "deactivate" | "reactivate" => {
                self.owners(Method::POST, path, &id, &format!("/{verb}"), Value::Null).await;
            }
            "change_own" => {
                let name = json!({"name": "Ann"});
                let path = "/v1/members/me";
                self.app.patch(agent, path, name.clone()).await.expect(200);
                self.app.patch(&self.organization.auditor, path, name).await.refused(403);
            }
            "choose_availability" => {
                let path = "/v1/members/me/availability";
                for (availability, status) in [("away", 200), ("asleep", 422)] {
                    let body = Some(json!({"availability": availability}));
                    let told = self.app.send(Method::PUT, agent, path, body, &[]).await;
                    told.expect(status);
                }
            }
            "beat" => {
                let path = "/v1/members/me/heartbeat";
                self.app.post(agent, path, Value::Null).await.expect(200);
                self.app.post("", path, Value::Null).await.refused(401);
            }
            _ => missing(verb),
        }
    }

    pub(super) async fn team(&self, verb: &str) {
        let path = "/v1/teams";
        let team = json!({"name": Uuid::now_v7().to_string()});
        let made = self.owner(Method::POST, path, team.clone()).await.expect(201);
        let id = made.data()["id"].as_str().unwrap().to_owned();
        let mate = format!("/members/{}", self.organization.agent_id);
        let (method, under, body) = match verb {
            "create" => return drop(self.owner(Method::POST, path, team).await.refused(409)),
            "show" => return self.shown(path, &id, "").await,
            "change" => (Method::PATCH, "", json!({"name": Uuid::now_v7().to_string()})),
            "delete" => (Method::DELETE, "", Value::Null),
            "set_member" => (Method::PUT, mate.as_str(), json!({"role": "lead"})),
            "remove_member" => (Method::DELETE, mate.as_str(), Value::Null),
            "set_schedule" => (
                Method::PUT,
                "/schedule",
                json!({"schedule": {
                    "timezone": "Africa/Nairobi",
                    "days": [[], [{"from": "08:00", "to": "17:00"}], [], [], [], [], []],
                }}),
            ),
            _ => missing(verb),
        };
        self.owners(method, path, &id, under, body).await;
    }

    pub(super) async fn workspace(&self, verb: &str) {
        let path = "/v1/workspace";
        match verb {
            "show" => {
                self.read(path).await;
                self.app.get("", path).await.refused(401);
            }
            "change" => {
                let zone = |name: &str| json!({"timezone": name});
                self.owner(Method::PATCH, path, zone("Africa/Nairobi")).await.expect(200);
                self.owner(Method::PATCH, path, zone("Mars")).await.refused(422);
            }
            _ => missing(verb),
        }
    }

    pub(super) async fn platform(&self, verb: &str) {
        let (_, key) = staff::add(&self.app.commands, "Achieng").await.unwrap();
        let path = "/v1/platform/organizations";
        let (under, method, body) = match verb {
            "list_organizations" => {
                self.app.get(&key, path).await.expect(200);
                self.app.get(&key, &format!("{path}?plan=golden")).await.refused(422);
                return;
            }
            "list_events" => {
                self.app.settle().await;
                let path = "/v1/platform/audit/events";
                self.app.get(&key, path).await.expect(200);
                self.app.get(&key, &format!("{path}?from=yesterday")).await.refused(422);
                return;
            }
            "suspend" => ("suspend", Method::POST, json!({"reason": "Unpaid"})),
            "reactivate" => ("reactivate", Method::POST, Value::Null),
            "set_plan" => ("plan", Method::PUT, json!({"plan": "starter"})),
            "enter" => ("enter", Method::POST, json!({"reason": "Ticket 17"})),
            _ => missing(verb),
        };
        let organization = self.app.organization("Obi").await.id;
        for (id, status) in [(organization, 200), (self.nobody, 404)] {
            let path = format!("{path}/{id}/{under}");
            let sent = self.app.send(method.clone(), &key, &path, Some(body.clone()), &[]).await;
            sent.expect(status);
        }
    }
}
