//! What Meta tells a business about its account, its number and its templates in a day.

use serde_json::{Value, json};

use super::super::Line;

pub(super) struct Notice {
    /// Hour and minute.
    pub(super) at: (u32, u32),
    pub(super) field: &'static str,
    pub(super) value: Value,
}

fn template(
    at: (u32, u32),
    (event, reason): (&str, &str),
    (id, name, language, category): (u64, &str, &str, &str),
) -> Notice {
    let value = json!({
        "event": event,
        "message_template_id": id,
        "message_template_name": name,
        "message_template_language": language,
        "message_template_category": category,
        "reason": reason,
    });
    Notice { at, field: "message_template_status_update", value }
}

pub(super) fn notices(line: &Line) -> Vec<Notice> {
    let number = &line.display_phone_number;
    let mut rejected = template(
        (11, 4),
        ("REJECTED", "INVALID_FORMAT"),
        (904_417_723_005_118, "weekend_offers_sw", "sw", "MARKETING"),
    );
    rejected.value["rejection_info"] = json!({
        "reason": "Two parameters stand next to each other without any text between them.",
        "recommendation": "Put words between the parameters.",
    });
    vec![
        template(
            (7, 48),
            ("APPROVED", "NONE"),
            (904_417_723_005_101, "parcel_ready", "pt_PT", "UTILITY"),
        ),
        rejected,
        template(
            (15, 16),
            ("APPROVED", "NONE"),
            (904_417_723_005_118, "weekend_offers_sw", "sw", "MARKETING"),
        ),
        Notice {
            at: (13, 30),
            field: "phone_number_quality_update",
            value: json!({
                "display_phone_number": number,
                "event": "UPGRADE",
                "old_limit": "TIER_1K",
                "current_limit": "TIER_10K",
            }),
        },
        Notice {
            at: (9, 45),
            field: "account_update",
            value: json!({"event": "VERIFIED_ACCOUNT", "phone_number": number}),
        },
    ]
}
