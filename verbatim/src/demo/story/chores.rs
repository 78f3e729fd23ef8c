//! Templates, tickets and payouts of the day that is played.

use serde_json::{Value, json};

use super::Who::{Nomsa, Owner, Tomas};
use super::{Act, Verdict, What, at, does, makes};

pub(super) fn acts() -> Vec<Act> {
    [templates(), lamp(), inverter(), others(), payouts()].into_iter().flatten().collect()
}

/// One that Meta approves, and one that it doesn't.
fn templates() -> Vec<Act> {
    let stock = json!({
        "channel_id": "{line}", "name": "back_in_stock", "language": "en_US",
        "components": [
            {"type": "body", "text": "Hello {{1}}, the {{2}} that you asked for is back in stock.",
                "example": {"body_text": [["Zawadi", "water filter"]]}},
            {"type": "buttons", "buttons": [{"type": "quick_reply", "text": "Keep one for me"}]},
        ],
    });
    let voucher = json!({
        "channel_id": "{line}", "name": "weekend_voucher", "language": "en_US",
        "components": [{"type": "body",
            "text": "Only this weekend: KSh 300 off every solar lamp. Show this at the till."}],
    });
    let refused = Verdict::Rejected {
        reason: "TAG_CONTENT_MISMATCH",
        why: "The template offers a discount, which is not what utility templates are for.",
        instead: "Submit it in the category marketing.",
    };
    vec![
        makes((7, 35), Owner, "stock", "/v1/templates", stock),
        does((7, 37), Owner, "/v1/templates/{stock}/submit", Value::Null),
        makes((7, 46), Tomas, "voucher", "/v1/templates", voucher),
        does((7, 50), Tomas, "/v1/templates/{voucher}/submit", Value::Null),
        at((8, 20), What::Review { template: "{stock}", verdict: Verdict::Approved }),
        at((9, 10), What::Review { template: "{voucher}", verdict: refused }),
    ]
}

/// From the cracked glass to five stars.
fn lamp() -> Vec<Act> {
    let opening = json!({
        "subject": "Cracked lamp, order BH-2041", "priority": "high",
        "conversation_id": "{Achieng}",
    });
    let stars = json!({"rating": 5, "comment": "The rider was here before noon."});
    vec![
        makes((7, 31), Tomas, "lamp", "/v1/tickets", opening),
        does((7, 32), Tomas, "/v1/tickets/{lamp}/assign", json!({"agent_id": "{tomás}"})),
        does(
            (7, 34),
            Tomas,
            "/v1/tickets/{lamp}/comments",
            json!({"body": "The rider brings a new one this morning; she knows.", "public": false}),
        ),
        does((7, 36), Tomas, "/v1/tickets/{lamp}/pend", Value::Null),
        does((11, 50), Tomas, "/v1/tickets/{lamp}/solve", Value::Null),
        does((12, 31), Tomas, "/v1/tickets/{lamp}/close", Value::Null),
        does((19, 58), Tomas, "/v1/tickets/{lamp}/rate", stars),
    ]
}

/// Solved too early, so it comes back.
fn inverter() -> Vec<Act> {
    let opening = json!({
        "subject": "Swollen battery of the inverter", "priority": "urgent",
        "conversation_id": "{Okello}",
    });
    vec![
        makes((12, 33), Nomsa, "inverter", "/v1/tickets", opening),
        does((12, 34), Nomsa, "/v1/tickets/{inverter}/assign", json!({"agent_id": "{nomsa}"})),
        does(
            (12, 35),
            Nomsa,
            "/v1/tickets/{inverter}/comments",
            json!({"body": "Same batch as last month's. Tell the supplier.", "public": false}),
        ),
        does((14, 2), Nomsa, "/v1/tickets/{inverter}/solve", Value::Null),
        does((16, 50), Nomsa, "/v1/tickets/{inverter}/reopen", Value::Null),
        does(
            (16, 52),
            Nomsa,
            "/v1/tickets/{inverter}/comments",
            json!({"body": "He is right, the charger has to go, too. It is packed.",
                "public": false}),
        ),
        does((18, 5), Nomsa, "/v1/tickets/{inverter}/solve", Value::Null),
        does((18, 33), Nomsa, "/v1/tickets/{inverter}/rate", json!({"rating": 4})),
    ]
}

/// In whatever state the day leaves them.
fn others() -> Vec<Act> {
    let ticket =
        |subject: &str, customer: &str| json!({"subject": subject, "conversation_id": customer});
    let twice = ticket("Paid twice for BH-2049", "{Dennis}");
    let parcel = ticket("Parcel for Lubumbashi is stuck", "{Chantal}");
    let charger = ticket("Charger missing in the parcel", "{Neema}");
    vec![
        makes((9, 43), Tomas, "twice", "/v1/tickets", twice),
        does((10, 58), Tomas, "/v1/tickets/{twice}/solve", Value::Null),
        does((20, 2), Owner, "/v1/tickets/{twice}/close", Value::Null),
        makes((12, 14), Nomsa, "parcel", "/v1/tickets", parcel),
        does((12, 16), Nomsa, "/v1/tickets/{parcel}/pend", Value::Null),
        makes((14, 50), Nomsa, "charger", "/v1/tickets", charger),
        does((14, 51), Nomsa, "/v1/tickets/{charger}/assign", json!({"agent_id": "{nomsa}"})),
    ]
}

/// What agents ask for, the owner decides.
fn payouts() -> Vec<Act> {
    let refund = json!({
        "amount": 320_000, "currency": "KES", "provider": "MPESA_KEN",
        "recipient": {"phone": "+254 712 123 456"}, "reason": "BH-2049 was paid twice",
        "ticket_id": "{twice}",
    });
    let comfort = json!({
        "amount": 4_500_000, "currency": "CDF", "provider": "VODACOM_MPESA_COD",
        "recipient": {"phone": "+243 812 345 678"}, "reason": "For the delay of the parcel",
        "ticket_id": "{parcel}",
    });
    let no = json!({"reason": "The carrier pays for its delay: claim it there."});
    vec![
        makes((9, 45), Tomas, "refund", "/v1/payouts", refund),
        at((10, 31), What::Approve { payout: "{refund}" }),
        at((10, 31), What::Pay { payout: "{refund}" }),
        makes((12, 40), Nomsa, "comfort", "/v1/payouts", comfort),
        does((13, 8), Owner, "/v1/payouts/{comfort}/reject", no),
    ]
}
