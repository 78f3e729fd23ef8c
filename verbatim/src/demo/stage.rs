//! The demo's providers: simulators of WhatsApp and of PawaPay in this process, on ports of this
//! machine only. They keep nothing: what the organisation has at them is handed over at each start.

use std::time::Duration;

use commands::gateways::pawapay::Amount;
use serde_json::{Value, json};
use simulators::graph::{self, Account, Graph, Review};
use simulators::pawapay::{self, Pawapay, Rule};
use simulators::script::Act;
use uuid::Uuid;

use super::{Client, Demo};
use crate::server::Outcome;
use crate::settings::Settings;

/// Each is missing where the user has told where the real one is.
pub(crate) struct Stage {
    pub(crate) graph: Option<Graph>,
    pub(crate) pawapay: Option<Pawapay>,
}

impl Stage {
    /// Takes the ports. Who calls now waits until all is handed over.
    pub(crate) fn set(settings: &Settings, demo: &Demo) -> Outcome<Stage> {
        let graph = settings.whatsapp_base_url().is_none().then(|| line_of(demo));
        let pawapay = settings.pawapay_base_url().is_none().then(|| till_of(demo));
        let pawapay = pawapay.map(Pawapay::closed).transpose()?;
        // On the day that is played, payouts end when it is their time.
        if let Some(pawapay) = pawapay.as_ref().filter(|_| !demo.played) {
            pawapay.script(Rule::on(Act::Pay).stays("PROCESSING"));
        }
        Ok(Stage { graph: graph.map(Graph::closed).transpose()?, pawapay })
    }

    /// The settings of a server with these providers at the other end.
    pub(crate) fn faced(&self, settings: &Settings) -> Settings {
        settings
            .facing(self.graph.as_ref().map(Graph::url), self.pawapay.as_ref().map(Pawapay::url))
    }

    /// Hands over what earlier providers of this organisation had: templates, and payouts that were
    /// under way. Then they answer.
    pub(crate) async fn open(&mut self, client: &Client, demo: &Demo) -> Outcome<()> {
        if let Some(graph) = &mut self.graph {
            let path = format!("/v1/templates?channel={}&limit=200", demo.channel_id);
            for template in list(&client.get(&demo.keys.owner, &path).await?) {
                shelve(graph, &demo.account_id, template);
            }
            graph.open();
        }
        if let Some(pawapay) = &mut self.pawapay {
            let path = "/v1/payouts?status=submitted,unknown&limit=200";
            let payouts = client.get(&demo.keys.owner, path).await?;
            let ours = json!(demo.till_id);
            for payout in list(&payouts).iter().filter(|payout| payout["channel_id"] == ours) {
                pawapay.take_over(&asked(payout)?);
            }
            pawapay.callback(&demo.till_webhook());
            pawapay.open();
        }
        Ok(())
    }

    /// From now on they tell by themselves what becomes of things, in a moment each.
    pub(crate) fn come_alive(&self, demo: &Demo) {
        if let Some(graph) = &self.graph {
            graph.webhook(&demo.phone_number_id, &demo.line_webhook());
        }
        if let Some(pawapay) = &self.pawapay {
            pawapay.calm();
        }
    }

    /// Both, if both are ours.
    pub(crate) fn providers(&self) -> Option<(&Graph, &Pawapay)> {
        self.graph.as_ref().zip(self.pawapay.as_ref())
    }
}

/// The server itself knows the 24 hours by its own clock, which is not the simulator's.
fn line_of(demo: &Demo) -> graph::Settings {
    let account = Account {
        line: demo.line(),
        token: demo.access_token.clone(),
        app_secret: demo.app_secret.clone(),
        webhook_url: None,
    };
    let moment = Duration::from_millis;
    graph::Settings {
        accounts: vec![account],
        window: graph::Window::Open,
        throughput: None,
        pair: None,
        pace: graph::Pace { sent: moment(50), delivered: moment(300), read: Some(moment(1_200)) },
        review: Review::After(moment(500)),
        ..graph::Settings::default()
    }
}

fn till_of(demo: &Demo) -> pawapay::Settings {
    let moment = Duration::from_millis;
    pawapay::Settings {
        token: demo.api_token.clone(),
        pace: pawapay::Pace { processing: moment(100), settled: moment(400) },
        ..pawapay::Settings::default()
    }
}

fn list(answer: &Value) -> &[Value] {
    answer["data"].as_array().map_or(&[], Vec::as_slice)
}

/// Only what came to Meta has an id there.
fn shelve(graph: &Graph, account: &str, template: &Value) {
    let Some(id) = template["provider_template_id"].as_str() else { return };
    let status = template["status"].as_str().unwrap_or_default().to_uppercase();
    graph.shelve(account, id, &status, template);
}

/// A payout in the words in which PawaPay was asked for it.
fn asked(payout: &Value) -> Outcome<Value> {
    let text = |name: &str| payout[name].as_str().unwrap_or_default();
    let amount = Amount::new(payout["amount"].as_i64().unwrap_or_default(), text("currency"))?;
    Ok(json!({
        "payoutId": text("id").parse::<Uuid>()?,
        "amount": amount.decimal(),
        "currency": text("currency"),
        "recipient": {"type": "MMO", "accountDetails": {
            "phoneNumber": payout["recipient"]["phone"], "provider": text("provider"),
        }},
    }))
}
