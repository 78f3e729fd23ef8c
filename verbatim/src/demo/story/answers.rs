//! What is said to customers from the desk. It comes on top of what the simulators' day has staff
//! answer in the WhatsApp Business app.

use serde_json::{Value, json};

use super::Fate::{Delivered, Failed, Read};
use super::To::{Customer, Number};
use super::Who::{Nomsa, Owner, Tomas};
use super::{Act, Fate, To, What, Who, at, does};

/// A template that fills in its two words.
fn back_in_stock(name: &str, article: &str) -> Value {
    let word = |text: &str| json!({"type": "text", "text": text});
    json!({"type": "template", "author": "automation", "template": {
        "name": "back_in_stock", "language": "en_US",
        "components": [{"type": "body", "parameters": [word(name), word(article)]}],
    }})
}

fn file(kind: &str, link: &str, extras: (&str, &str)) -> Value {
    json!({"type": kind, kind: {"link": link, extras.0: extras.1}})
}

fn sends(time: (i64, i64), who: Who, to: To, message: Value, fate: Fate) -> Act {
    at(time, What::Say { who, to, message, fate })
}

fn says(time: (i64, i64), who: Who, to: &'static str, words: &str, fate: Fate) -> Act {
    let text = json!({"type": "text", "text": {"body": words}});
    sends(time, who, Customer(to), text, fate)
}

pub(super) fn acts() -> Vec<Act> {
    let link_is_dead = Failed {
        code: 131_053,
        title: "Media upload error",
        details: "The file behind the link could not be fetched: HTTP 404.",
    };
    let undeliverable =
        Failed { code: 131_026, title: "Message undeliverable", details: "Message Undeliverable." };
    vec![
        does((7, 22), Tomas, "/v1/conversations/{Otieno}/assign", json!({"agent_id": "{tomás}"})),
        says((7, 24), Tomas, "Otieno", "See you later then. Ask for Mwangi at the desk.", Read),
        sends(
            (8, 27),
            Nomsa,
            Customer("João"),
            file("image", "https://baraka.example/stove-2b-black.jpg", ("caption", "É este aqui.")),
            Read,
        ),
        says((8, 52), Nomsa, "Esther", "Well spotted. We have reported that message.", Delivered),
        does((8, 54), Nomsa, "/v1/conversations/{Esther}/resolve", Value::Null),
        says((9, 3), Tomas, "Grace", "Paid, thank you! It leaves for Kigali this afternoon.", Read),
        sends(
            (10, 51),
            Owner,
            Customer("Jean-Paul"),
            file("document", "https://baraka.example/offer-31.pdf", ("filename", "Offer 31.pdf")),
            link_is_dead,
        ),
        says((11, 36), Tomas, "Muthoni", "So glad! Call us if it comes back.", Read),
        does((12, 7), Nomsa, "/v1/conversations/{Fatuma}/assign", json!({"agent_id": "{nomsa}"})),
        says((12, 10), Nomsa, "Fatuma", "It is on Saturday's round, you are the third stop.", Read),
        does((12, 26), Nomsa, "/v1/conversations/{Fatuma}/resolve", Value::Null),
        says((13, 22), Tomas, "Olivia", "Here it is: https://baraka.example/pay/2063", Read),
        says((14, 56), Nomsa, "Neema", "Chaja imeondoka leo, namba BH-2071.", Delivered),
        says((15, 16), Tomas, "Jasmine", "Shall I reserve the weaver for you?", Read),
        says((16, 28), Nomsa, "Claire", "Et l'avoir suit par courrier.", Delivered),
        does((17, 48), Tomas, "/v1/conversations/{Otieno}/resolve", Value::Null),
        says((18, 21), Tomas, "Marta", "Claro, guardo-lhe um até lá.", Read),
        sends((18, 40), Nomsa, Customer("Zawadi"), back_in_stock("Zawadi", "water filter"), Read),
        sends(
            (18, 44),
            Nomsa,
            Number("12025550199"),
            back_in_stock("Mr. Bell", "water filter"),
            undeliverable,
        ),
        says((20, 41), Tomas, "Ruth", "And good night to Perth.", Delivered),
    ]
}
