//! Authentication templates, carousels and limited-time offers.

use super::*;

#[test]
fn an_authentication_template_has_only_what_meta_leaves_open() {
    all_refused(
        authentication,
        &[
            ("/ttl", json!(901), "message_send_ttl_seconds", "ttl.out_of_range"),
            ("/components/0/text", json!("Your code"), "components[0].text", "authentication.text"),
            (
                "/components/1/code_expiration_minutes",
                json!(91),
                "components[1].code_expiration_minutes",
                "authentication.expiration",
            ),
            ("/components/1/text", json!("Baraka"), "components[1].text", "authentication.text"),
            (
                "/components/2/buttons/0",
                json!({"type": "quick_reply", "text": "No"}),
                "components[2].buttons[0]",
                "authentication.button",
            ),
            (
                "/components/2/buttons/0",
                json!({"type": "quick_reply", "text": "No"}),
                "components",
                "authentication.button_missing",
            ),
            (
                "/components/-",
                json!({"type": "header", "format": "location"}),
                "components[3]",
                "authentication.component",
            ),
        ],
    );
}

#[test]
fn a_password_says_which_apps_may_take_it() {
    let apps = json!([{"package_name": "shop", "signature_hash": "short"}]);
    let otp =
        |kind: &str, apps: Value| json!({"type": "otp", "otp_type": kind, "supported_apps": apps});
    all_refused(
        authentication,
        &[
            (
                "/components/2/buttons/0",
                otp("one_tap", json!([])),
                "components[2].buttons[0].supported_apps",
                "otp.apps",
            ),
            (
                "/components/2/buttons/0",
                otp("one_tap", apps.clone()),
                "components[2].buttons[0].supported_apps[0].package_name",
                "otp.package_name",
            ),
            (
                "/components/2/buttons/0",
                otp("one_tap", apps.clone()),
                "components[2].buttons[0].supported_apps[0].signature_hash",
                "otp.signature_hash",
            ),
            (
                "/components/2/buttons/0",
                otp("zero_tap", apps.clone()),
                "components[2].buttons[0].zero_tap_terms_accepted",
                "otp.terms",
            ),
            (
                "/components/2/buttons/0",
                otp("copy_code", apps),
                "components[2].buttons[0].supported_apps",
                "otp.apps",
            ),
        ],
    );
}

#[test]
fn a_carousel_stands_alone_under_its_text() {
    all_refused(
        carousel,
        &[
            ("/components/1/cards", json!([]), "components[1].cards", "carousel.cards"),
            ("/category", json!("utility"), "category", "category.marketing_only"),
            (
                "/components/-",
                json!({"type": "footer", "text": "Us"}),
                "components[2]",
                "carousel.beside",
            ),
            (
                "/components/1/cards/1/components/0/format",
                json!("video"),
                "components[1].cards[1]",
                "carousel.uneven",
            ),
        ],
    );
}

#[test]
fn all_cards_are_of_one_kind() {
    all_refused(
        carousel,
        &[
            (
                "/components/1/cards/0/components/0/format",
                json!("text"),
                "components[1].cards[0].components[0].format",
                "header.not_allowed",
            ),
            (
                "/components/1/cards/0/components/1/text",
                json!("x".repeat(161)),
                "components[1].cards[0].components[1].text",
                "text.too_long",
            ),
            (
                "/components/1/cards/0/components/2/buttons",
                json!([]),
                "components[1].cards[0].components[2].buttons",
                "carousel.buttons",
            ),
            (
                "/components/1/cards/0/components/2/buttons/0",
                json!({"type": "catalog"}),
                "components[1].cards[0].components[2].buttons[0]",
                "carousel.buttons",
            ),
            (
                "/components/1/cards/0/components",
                json!([]),
                "components[1].cards[0].components",
                "carousel.header_missing",
            ),
            (
                "/components/1/cards/0/components/-",
                json!({"type": "footer", "text": "a"}),
                "components[1].cards[0].components[3]",
                "carousel.component",
            ),
        ],
    );
}

#[test]
fn an_offer_is_short_and_leads_somewhere() {
    all_refused(
        offer,
        &[
            ("/category", json!("authentication"), "category", "category.marketing_only"),
            (
                "/components/1/limited_time_offer/text",
                json!("x".repeat(17)),
                "components[1].limited_time_offer.text",
                "text.too_long",
            ),
            ("/components/2/text", json!("x".repeat(601)), "components[2].text", "text.too_long"),
            (
                "/components/-",
                json!({"type": "footer", "text": "Us"}),
                "components[4]",
                "offer.footer",
            ),
            (
                "/components/0/format",
                json!("document"),
                "components[0].format",
                "header.not_allowed",
            ),
            (
                "/components/3/buttons/1",
                json!({"type": "quick_reply", "text": "No"}),
                "components",
                "offer.button_missing",
            ),
            (
                "/components/3/buttons/0/example",
                json!("x".repeat(16)),
                "components[3].buttons[0].example",
                "text.too_long",
            ),
        ],
    );
}
