//! Authentication templates, carousels and limited-time offers.

use super::*;

#[test]
fn templates_of_a_special_form_have_their_own_faults() {
    let apps = json!([{"package_name": "shop", "signature_hash": "short"}]);
    let otp =
        |kind: &str, apps: Value| json!({"type": "otp", "otp_type": kind, "supported_apps": apps});
    let table = [
        (
            authentication(),
            "/components/0/text",
            json!("Your code"),
            "components[0].text",
            "authentication.text",
        ),
        (
            authentication(),
            "/components/1/code_expiration_minutes",
            json!(91),
            "components[1].code_expiration_minutes",
            "authentication.expiration",
        ),
        (
            authentication(),
            "/components/1/text",
            json!("Baraka"),
            "components[1].text",
            "authentication.text",
        ),
        (
            authentication(),
            "/components/2/buttons/0",
            json!({"type": "quick_reply", "text": "No"}),
            "components[2].buttons[0]",
            "authentication.button",
        ),
        (
            authentication(),
            "/components/2/buttons/0",
            json!({"type": "quick_reply", "text": "No"}),
            "components",
            "authentication.button_missing",
        ),
        (
            authentication(),
            "/components/-",
            json!({"type": "header", "format": "location"}),
            "components[3]",
            "authentication.component",
        ),
        (
            authentication(),
            "/components/2/buttons/0",
            otp("one_tap", json!([])),
            "components[2].buttons[0].supported_apps",
            "otp.apps",
        ),
        (
            authentication(),
            "/components/2/buttons/0",
            otp("one_tap", apps.clone()),
            "components[2].buttons[0].supported_apps[0].package_name",
            "otp.package_name",
        ),
        (
            authentication(),
            "/components/2/buttons/0",
            otp("one_tap", apps.clone()),
            "components[2].buttons[0].supported_apps[0].signature_hash",
            "otp.signature_hash",
        ),
        (
            authentication(),
            "/components/2/buttons/0",
            otp("zero_tap", apps.clone()),
            "components[2].buttons[0].zero_tap_terms_accepted",
            "otp.terms",
        ),
        (
            authentication(),
            "/components/2/buttons/0",
            otp("copy_code", apps),
            "components[2].buttons[0].supported_apps",
            "otp.apps",
        ),
        (authentication(), "/ttl", json!(901), "message_send_ttl_seconds", "ttl.out_of_range"),
        (carousel(), "/category", json!("utility"), "category", "category.marketing_only"),
        (
            carousel(),
            "/components/-",
            json!({"type": "footer", "text": "Us"}),
            "components[2]",
            "carousel.beside",
        ),
        (carousel(), "/components/1/cards", json!([]), "components[1].cards", "carousel.cards"),
        (
            carousel(),
            "/components/1/cards/1/components/0/format",
            json!("video"),
            "components[1].cards[1]",
            "carousel.uneven",
        ),
        (
            carousel(),
            "/components/1/cards/0/components/0/format",
            json!("text"),
            "components[1].cards[0].components[0].format",
            "header.not_allowed",
        ),
        (
            carousel(),
            "/components/1/cards/0/components/1/text",
            json!("x".repeat(161)),
            "components[1].cards[0].components[1].text",
            "text.too_long",
        ),
        (
            carousel(),
            "/components/1/cards/0/components/2/buttons",
            json!([]),
            "components[1].cards[0].components[2].buttons",
            "carousel.buttons",
        ),
        (
            carousel(),
            "/components/1/cards/0/components/2/buttons/0",
            json!({"type": "catalog"}),
            "components[1].cards[0].components[2].buttons[0]",
            "carousel.buttons",
        ),
        (
            carousel(),
            "/components/1/cards/0/components",
            json!([]),
            "components[1].cards[0].components",
            "carousel.header_missing",
        ),
        (
            carousel(),
            "/components/1/cards/0/components/-",
            json!({"type": "footer", "text": "a"}),
            "components[1].cards[0].components[3]",
            "carousel.component",
        ),
        (
            offer(),
            "/components/1/limited_time_offer/text",
            json!("x".repeat(17)),
            "components[1].limited_time_offer.text",
            "text.too_long",
        ),
        (
            offer(),
            "/components/2/text",
            json!("x".repeat(601)),
            "components[2].text",
            "text.too_long",
        ),
        (
            offer(),
            "/components/-",
            json!({"type": "footer", "text": "Us"}),
            "components[4]",
            "offer.footer",
        ),
        (
            offer(),
            "/components/0/format",
            json!("document"),
            "components[0].format",
            "header.not_allowed",
        ),
        (
            offer(),
            "/components/3/buttons/1",
            json!({"type": "quick_reply", "text": "No"}),
            "components",
            "offer.button_missing",
        ),
        (
            offer(),
            "/components/3/buttons/0/example",
            json!("x".repeat(16)),
            "components[3].buttons[0].example",
            "text.too_long",
        ),
        (offer(), "/category", json!("authentication"), "category", "category.marketing_only"),
    ];
    for (draft, pointer, value, path, code) in table {
        refused(&with(draft, pointer, value), path, code);
    }
}
