//! Message templates: written, checked, submitted, and what becomes of them with Meta.

mod submission;
mod sync;

use reqwest::Method;
use serde_json::{Value, json};
use simulators::whatsapp;

use crate::support::{Answer, App, Organization, line};

const TEMPLATES: &str = "/v1/templates";

async fn shop() -> (App, Organization) {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    (app, organization)
}

/// A template as a client writes it; `extras` replace or add fields.
fn written(organization: &Organization, extras: Value) -> Value {
    let mut template = json!({
        "channel_id": organization.channel, "name": "order_ready", "language": "en_US",
        "components": [
            {"type": "BODY", "text": "Hello {{1}}, your order {{2}} is ready.",
             "example": {"body_text": [["Amina", "17"]]}},
            {"type": "FOOTER", "text": "Baraka Ltd"},
            {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "Thanks"}]},
        ],
    });
    template.as_object_mut().unwrap().extend(extras.as_object().unwrap().clone());
    template
}

async fn draft(app: &App, organization: &Organization, extras: Value) -> Answer {
    app.post(&organization.agent, TEMPLATES, written(organization, extras)).await
}

fn path(answer: &Answer) -> String {
    format!("{TEMPLATES}/{}", answer.data()["id"].as_str().unwrap())
}

async fn act(app: &App, organization: &Organization, path: &str, action: &str) -> Answer {
    app.post(&organization.agent, &format!("{path}/{action}"), json!({})).await
}

async fn change(app: &App, organization: &Organization, path: &str, change: Value) -> Answer {
    app.send(Method::PATCH, &organization.agent, path, Some(change), &[]).await
}

async fn shown(app: &App, organization: &Organization, path: &str) -> Value {
    app.settle().await;
    app.get(&organization.auditor, path).await.expect(200).data()
}

/// Meta tells something about a template, at a second of its own clock.
async fn meta(app: &App, to: &Organization, second: i64, field: &str, told: Value) -> Answer {
    let mut value = json!({
        "message_template_id": 594, "message_template_name": "order_ready",
        "message_template_language": "en-US",
    });
    value.as_object_mut().unwrap().extend(told.as_object().unwrap().clone());
    let mut entry = whatsapp::entry(&line(), field, value);
    entry["time"] = json!(1_751_247_500 + second);
    let body = whatsapp::bytes(whatsapp::envelope_of(vec![entry]));
    app.deliver(to.channel, &body).await.expect(200)
}

async fn status(app: &App, to: &Organization, second: i64, told: Value) {
    meta(app, to, second, "message_template_status_update", told).await;
}

#[tokio::test]
async fn a_template_is_drafted_submitted_and_approved() {
    let (app, organization) = shop().await;
    let made = draft(&app, &organization, json!({})).await.expect(201);
    let path = path(&made);
    assert_eq!(made.header("location"), path);
    let seen = app.get_since(&made, &organization.auditor, &path).await.expect(200);
    assert_eq!(seen.header("etag"), made.header("etag"));
    let seen = seen.data();
    for field in [
        "channel_id",
        "name",
        "language",
        "category",
        "status",
        "parameter_format",
        "components",
        "message_send_ttl_seconds",
        "work_approved",
        "changed_since_submission",
        "version",
    ] {
        assert_eq!(made.data()[field], seen[field], "{field} is told as it is shown");
    }
    assert_eq!((&seen["status"], &seen["category"]), (&json!("draft"), &json!("utility")));
    assert_eq!(made.data()["faults"], json!([]));
    let pending = act(&app, &organization, &path, "submit").await.expect(200);
    assert_eq!(pending.data()["status"], "pending");
    let again = act(&app, &organization, &path, "submit").await;
    assert_eq!(again.refused(409), "template.under_review");
    let approved = json!({"event": "APPROVED", "reason": "NONE",
        "message_template_category": "UTILITY"});
    status(&app, &organization, 10, approved).await;
    let seen = shown(&app, &organization, &path).await;
    assert_eq!(
        (&seen["status"], &seen["provider_template_id"]),
        (&json!("approved"), &json!("594"))
    );
    assert!(seen["submitted_at"].is_string());
    let approvals = app.audit(&organization, "action=template.Approved").await;
    assert_eq!(approvals.len(), 1);
    assert_eq!(approvals[0]["actor"], format!("channel:{}", organization.channel));
    app.assert_verified().await;
}

#[tokio::test]
async fn a_rejection_says_why_and_the_mended_template_is_reviewed_again() {
    let (app, organization) = shop().await;
    let path = path(&draft(&app, &organization, json!({})).await.expect(201));
    act(&app, &organization, &path, "submit").await.expect(200);
    let rejected = json!({"event": "REJECTED", "reason": "INVALID_FORMAT", "rejection_info": {
        "reason": "Two placeholders touch.", "recommendation": "Put words between them."}});
    status(&app, &organization, 10, rejected).await;
    // What was told before comes after.
    status(&app, &organization, 5, json!({"event": "PENDING"})).await;
    let seen = shown(&app, &organization, &path).await;
    assert_eq!(
        (&seen["status"], &seen["status_reason"]),
        (&json!("rejected"), &json!("INVALID_FORMAT"))
    );
    assert_eq!(seen["status_detail"], "Two placeholders touch. Put words between them.");
    let mended = json!({"components": [{"type": "body", "text": "Your order is ready."}]});
    let mended = change(&app, &organization, &path, mended).await.expect(200);
    assert_eq!(mended.data()["changed_since_submission"], true);
    act(&app, &organization, &path, "submit").await.expect(200);
    status(&app, &organization, 20, json!({"event": "APPROVED"})).await;
    assert_eq!(shown(&app, &organization, &path).await["status"], "approved");
    let unchanged = act(&app, &organization, &path, "submit").await;
    assert_eq!(unchanged.refused(409), "template.unchanged");
    app.assert_verified().await;
}

#[tokio::test]
async fn pauses_categories_and_quality_come_by_webhook_in_any_order() {
    let (app, organization) = shop().await;
    let path = path(&draft(&app, &organization, json!({})).await.expect(201));
    let paused = json!({"event": "PAUSED", "other_info": {
        "title": "FIRST_PAUSE", "description": "Paused for three hours."}});
    status(&app, &organization, 30, paused).await;
    status(&app, &organization, 10, json!({"event": "APPROVED"})).await;
    let quality = json!({"previous_quality_score": "GREEN", "new_quality_score": "YELLOW"});
    meta(&app, &organization, 20, "message_template_quality_update", quality).await;
    let announced = json!({"new_category": "UTILITY", "correct_category": "MARKETING",
        "category_update_timestamp": 1_751_333_900});
    meta(&app, &organization, 20, "template_category_update", announced).await;
    status(
        &app,
        &organization,
        31,
        json!({"event": "FLAGGED",
        "disable_info": {"disable_date": "January 31, 2027"}}),
    )
    .await;
    let seen = shown(&app, &organization, &path).await;
    assert_eq!(
        (&seen["status"], &seen["status_reason"]),
        (&json!("paused"), &json!("FIRST_PAUSE"))
    );
    assert_eq!((&seen["quality"], &seen["category"]), (&json!("YELLOW"), &json!("utility")));
    assert_eq!(seen["next_category"], "marketing");
    assert_eq!(seen["notice"], json!({"event": "FLAGGED", "detail": "January 31, 2027"}));
    let changed = json!({"previous_category": "UTILITY", "new_category": "MARKETING"});
    meta(&app, &organization, 90, "template_category_update", changed).await;
    status(&app, &organization, 95, json!({"event": "REINSTATED"})).await;
    let seen = shown(&app, &organization, &path).await;
    assert_eq!((&seen["status"], &seen["category"]), (&json!("approved"), &json!("marketing")));
    assert_eq!(seen["next_category"], Value::Null);
    // Meta's id alone finds it from now on, and the channel's own record stays as it was.
    let renamed = json!({"event": "DISABLED", "message_template_name": "other"});
    status(&app, &organization, 99, renamed).await;
    assert_eq!(shown(&app, &organization, &path).await["status"], "disabled");
    let heard = app.audit(&organization, "action=channel.TemplateUpdated").await;
    assert_eq!(heard.len(), 8);
    app.assert_verified().await;
}

#[tokio::test]
async fn what_meta_says_of_a_template_that_nobody_knows_stays_with_the_channel() {
    let (app, organization) = shop().await;
    let other = json!({"event": "APPROVED", "message_template_name": "elsewhere"});
    status(&app, &organization, 10, other).await;
    let swahili = json!({"event": "APPROVED", "message_template_language": "sw"});
    let path = path(&draft(&app, &organization, json!({})).await.expect(201));
    status(&app, &organization, 11, swahili).await;
    assert_eq!(shown(&app, &organization, &path).await["status"], "draft");
    app.assert_verified().await;
}

#[tokio::test]
async fn a_submission_with_faults_is_refused_with_each_place() {
    let (app, organization) = shop().await;
    let faulty = json!({"components": [
        {"type": "body", "text": "{{1}} and {{3}} go"},
        {"type": "footer", "text": "x".repeat(61)},
    ]});
    let made = draft(&app, &organization, faulty.clone()).await.expect(201);
    let told: Vec<Value> = made.data()["faults"].as_array().unwrap().clone();
    let refused = act(&app, &organization, &path(&made), "submit").await;
    assert_eq!(refused.refused(422), "template.invalid");
    assert_eq!(refused.json()["errors"], json!(told));
    let places: Vec<(&str, &str)> = told
        .iter()
        .map(|fault| (fault["field"].as_str().unwrap(), fault["code"].as_str().unwrap()))
        .collect();
    let expected = [
        ("components[0].text", "placeholder.gap"),
        ("components[0].text", "placeholder.edge"),
        ("components[1].text", "text.too_long"),
    ];
    assert_eq!(places, expected);
    let examined = act(&app, &organization, &path(&made), "validate").await.expect(200);
    assert_eq!(examined.data(), json!({"valid": false, "faults": told}));
    let before = app.store.head();
    let dry = format!("{TEMPLATES}/validate");
    let tried = app.post(&organization.auditor, &dry, written(&organization, faulty)).await;
    assert_eq!(tried.expect(200).data(), examined.data());
    let fine = app.post(&organization.agent, &dry, written(&organization, json!({}))).await;
    assert_eq!(fine.expect(200).data(), json!({"valid": true, "faults": []}));
    assert_eq!(app.store.head(), before);
}

#[tokio::test]
async fn what_cannot_be_a_template_is_refused_with_its_field() {
    let (app, organization) = shop().await;
    let other = app.organization("Elsewhere").await;
    let before = app.store.head();
    let misspelt = json!([{"type": "body", "text": "Hi", "exmaple": {"body_text": [["a"]]}}]);
    let wrong = [
        (json!({"name": "Order ready"}), "template.invalid", "name"),
        (json!({"language": "klingon"}), "template.invalid", "language"),
        (json!({"channel_id": null}), "template.channel_missing", "channel_id"),
        (json!({"channel_id": other.channel}), "template.unknown_channel", "channel_id"),
        (json!({"channel_id": organization.id}), "template.unknown_channel", "channel_id"),
        (json!({"components": misspelt}), "request.invalid", "components[0].exmaple"),
        (json!({"status": "approved"}), "request.invalid", "status"),
        (json!({"category": "news"}), "request.invalid", "category"),
        (
            json!({"components": [{"type": "body", "text": "x".repeat(70_000)}]}),
            "template.too_large",
            "components",
        ),
        (
            json!({"category": "marketing", "override_reason": " "}),
            "template.invalid_reason",
            "reason",
        ),
    ];
    for (extras, code, field) in wrong {
        let refused = draft(&app, &organization, extras).await;
        assert_eq!(refused.refused(422), code);
        assert_eq!(refused.json()["errors"][0]["field"], field);
    }
    let unknown = json!({"components": [{"type": "poem", "text": "Hi"}]});
    assert_eq!(draft(&app, &organization, unknown).await.refused(422), "request.invalid");
    assert_eq!(app.store.head(), before);
    let made = draft(&app, &organization, json!({})).await.expect(201);
    for wrong in [json!({"name": "other"}), json!({"language": "sw"}), json!({"category": null})] {
        assert_eq!(
            change(&app, &organization, &path(&made), wrong).await.refused(422),
            "request.invalid"
        );
    }
    let auditor =
        app.post(&organization.auditor, TEMPLATES, written(&organization, json!({}))).await;
    assert_eq!(auditor.refused(403), "permission.denied");
    for action in ["submit", "duplicate", "validate"] {
        let refused = act(&app, &other, &path(&made), action).await;
        assert_eq!(refused.refused(404), "template.not_found", "{action}");
    }
}

#[tokio::test]
async fn a_name_in_a_language_belongs_to_one_template_of_a_channel() {
    let (app, organization) = shop().await;
    let first = draft(&app, &organization, json!({})).await.expect(201);
    let refused = draft(&app, &organization, json!({"language": "en-US"})).await;
    assert_eq!(refused.refused(409), "template.name_taken");
    assert_eq!(refused.json()["owner"], first.data()["id"]);
    let swahili = draft(&app, &organization, json!({"language": "sw"})).await.expect(201);
    let (one, two) = tokio::join!(
        draft(&app, &organization, json!({"name": "both"})),
        draft(&app, &organization, json!({"name": "both"})),
    );
    let (made, refused) = if one.status == 201 { (one, two) } else { (two, one) };
    assert_eq!(refused.refused(409), "template.name_taken");
    assert_eq!(refused.json()["owner"], made.expect(201).data()["id"]);
    // A name is free again once its template was removed.
    let gone = app.send(Method::DELETE, &organization.agent, &path(&first), None, &[]).await;
    assert_eq!(gone.expect(200).data()["status"], "removed");
    let again = draft(&app, &organization, json!({})).await.expect(201);
    let refused = draft(&app, &organization, json!({})).await;
    assert_eq!(refused.json()["owner"], again.data()["id"]);
    status(&app, &organization, 10, json!({"event": "APPROVED"})).await;
    assert_eq!(shown(&app, &organization, &path(&again)).await["status"], "approved");
    assert_eq!(shown(&app, &organization, &path(&first)).await["status"], "removed");
    assert_eq!(shown(&app, &organization, &path(&swahili)).await["status"], "draft");
    app.assert_verified().await;
}

#[tokio::test]
async fn a_duplicate_is_a_draft_of_its_own() {
    let (app, organization) = shop().await;
    let first = draft(&app, &organization, json!({})).await.expect(201);
    let on = format!("{}/duplicate", path(&first));
    let copy = app.post(&organization.agent, &on, json!({})).await.expect(201);
    assert_eq!(
        (&copy.data()["name"], &copy.data()["status"]),
        (&json!("order_ready_copy"), &json!("draft"))
    );
    assert_eq!(copy.data()["components"], first.data()["components"]);
    let translated = app.post(&organization.agent, &on, json!({"language": "pt_BR"})).await;
    assert_eq!(translated.expect(201).data()["name"], "order_ready");
    let taken = app.post(&organization.agent, &on, json!({"name": "order_ready"})).await;
    assert_eq!(taken.refused(409), "template.name_taken");
    let seen = shown(&app, &organization, &path(&copy)).await;
    assert_eq!(seen["duplicate_of"], first.data()["id"]);
}

#[tokio::test]
async fn what_is_not_utility_needs_a_reason_and_work_may_be_approved_before() {
    let (app, organization) = shop().await;
    let made = draft(&app, &organization, json!({"category": "MARKETING"})).await.expect(201);
    let path = path(&made);
    let refused = act(&app, &organization, &path, "submit").await;
    assert_eq!(refused.refused(409), "template.needs_override");
    let allow = format!("{path}/override-category");
    let reason = json!({"reason": "The customer asked for offers."});
    let allowed = app.post(&organization.agent, &allow, reason.clone()).await.expect(200);
    assert_eq!(allowed.data()["override_reason"], reason["reason"]);
    let approved = change(&app, &organization, &path, json!({"work_approved": true})).await;
    assert_eq!(approved.expect(200).data()["work_approved"], true);
    act(&app, &organization, &path, "submit").await.expect(200);
    let seen = shown(&app, &organization, &path).await;
    assert_eq!((&seen["status"], &seen["work_approved"]), (&json!("pending"), &json!(true)));
    assert_eq!(seen["override_reason"], reason["reason"]);
    let utility = draft(&app, &organization, json!({"name": "plain"})).await.expect(201);
    let allow = format!("{TEMPLATES}/{}/override-category", utility.data()["id"].as_str().unwrap());
    let refused = app.post(&organization.agent, &allow, reason).await;
    assert_eq!(refused.refused(409), "template.nothing_to_override");
    let told = json!({"name": "sale", "category": "marketing", "override_reason": "A sale"});
    let sale = draft(&app, &organization, told).await.expect(201);
    assert_eq!(sale.data()["override_reason"], "A sale");
    app.assert_verified().await;
}

#[tokio::test]
async fn templates_are_listed_by_what_they_are_and_page_by_page() {
    let (app, organization) = shop().await;
    for number in 0..5 {
        let language = if number % 2 == 0 { "en_US" } else { "sw" };
        let told = json!({"name": format!("number_{number}"), "language": language});
        draft(&app, &organization, told).await.expect(201);
    }
    let told = json!({"category": "marketing", "override_reason": "A sale"});
    let sale = draft(&app, &organization, told).await.expect(201);
    act(&app, &organization, &path(&sale), "submit").await.expect(200);
    let gone = draft(&app, &organization, json!({"name": "gone"})).await.expect(201);
    app.send(Method::DELETE, &organization.agent, &path(&gone), None, &[]).await.expect(200);
    app.settle().await;
    let count = async |query: &str| {
        let page = app.get(&organization.auditor, &format!("{TEMPLATES}?{query}")).await;
        page.expect(200).data().as_array().unwrap().len()
    };
    for (query, number) in [
        ("", 6),
        ("status=all", 7),
        ("status=removed", 1),
        ("status=pending,removed", 2),
        ("language=sw", 2),
        ("language=en-US", 4),
        ("name=number_3", 1),
        ("category=marketing", 1),
        ("work_approved=true", 0),
        (&format!("channel={}", organization.channel), 6),
        (&format!("channel={}", organization.id), 0),
    ] {
        assert_eq!(count(query).await, number, "{query}");
    }
    let first =
        app.get(&organization.agent, &format!("{TEMPLATES}?limit=4")).await.expect(200).json();
    assert_eq!(first["data"][0]["name"], "order_ready");
    let next = first["meta"]["next_cursor"].as_str().unwrap();
    let second = app.get(&organization.agent, &format!("{TEMPLATES}?limit=4&cursor={next}")).await;
    let second = second.expect(200).json();
    assert_eq!(
        (second["data"].as_array().unwrap().len(), &second["meta"]["has_more"]),
        (2, &json!(false))
    );
    for wrong in ["status=open", "category=news", "channel=5"] {
        let refused = app.get(&organization.agent, &format!("{TEMPLATES}?{wrong}")).await;
        assert_eq!(refused.refused(422), "parameter.invalid");
    }
}
