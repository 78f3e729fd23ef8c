//! Messages that offer something to press, choose or fill in.

use serde_json::{Value, json};

use super::outgoing::{Source, object};

#[derive(Clone, Debug, PartialEq)]
pub struct Interactive {
    pub header: Option<Header>,
    pub body: String,
    pub footer: Option<String>,
    pub action: Action,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Header {
    Text(String),
    Image(Source),
    Video(Source),
    Document { source: Source, filename: Option<String> },
}

#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// One to three.
    Buttons(Vec<Button>),
    /// Up to ten rows in all.
    List {
        button: String,
        sections: Vec<Section>,
    },
    CtaUrl {
        display_text: String,
        url: String,
    },
    Flow(Flow),
    /// Asks the customer where they are.
    LocationRequest,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Button {
    pub id: String,
    pub title: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    pub title: Option<String>,
    pub rows: Vec<Row>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub id: String,
    pub title: String,
    pub description: Option<String>,
}

/// A form that opens inside the chat.
#[derive(Clone, Debug, PartialEq)]
pub struct Flow {
    pub id: String,
    /// Comes back with the answers.
    pub token: String,
    /// What the button says.
    pub cta: String,
    /// The first screen; `None`: the flow's endpoint says it.
    pub screen: Option<String>,
    /// What the first screen is filled with.
    pub data: Option<Value>,
    /// Not published yet; only testers see it.
    pub draft: bool,
}

impl Interactive {
    pub(super) fn told(&self) -> Value {
        let (kind, action) = self.action.told();
        let mut told = json!({"type": kind, "body": {"text": self.body}, "action": action});
        if let Some(header) = &self.header {
            told["header"] = header.told();
        }
        if let Some(footer) = &self.footer {
            told["footer"] = json!({"text": footer});
        }
        told
    }
}

impl Header {
    fn told(&self) -> Value {
        match self {
            Header::Text(text) => json!({"type": "text", "text": text}),
            Header::Image(source) => json!({"type": "image", "image": source.with([])}),
            Header::Video(source) => json!({"type": "video", "video": source.with([])}),
            Header::Document { source, filename } => {
                let document = source.with([("filename", filename.as_deref())]);
                json!({"type": "document", "document": document})
            }
        }
    }
}

impl Action {
    fn told(&self) -> (&'static str, Value) {
        match self {
            Action::Buttons(buttons) => {
                let buttons: Value = buttons.iter().map(Button::told).collect();
                ("button", json!({"buttons": buttons}))
            }
            Action::List { button, sections } => {
                let sections: Value = sections.iter().map(Section::told).collect();
                ("list", json!({"button": button, "sections": sections}))
            }
            Action::CtaUrl { display_text, url } => {
                let parameters = json!({"display_text": display_text, "url": url});
                ("cta_url", json!({"name": "cta_url", "parameters": parameters}))
            }
            Action::Flow(flow) => ("flow", json!({"name": "flow", "parameters": flow.told()})),
            Action::LocationRequest => {
                ("location_request_message", json!({"name": "send_location"}))
            }
        }
    }
}

impl Button {
    fn told(&self) -> Value {
        json!({"type": "reply", "reply": {"id": self.id, "title": self.title}})
    }
}

impl Section {
    fn told(&self) -> Value {
        let row = |row: &Row| {
            let (id, title) = (Some(row.id.as_str()), Some(row.title.as_str()));
            object([("id", id), ("title", title), ("description", row.description.as_deref())])
        };
        let mut told = object([("title", self.title.as_deref())]);
        told["rows"] = self.rows.iter().map(row).collect();
        told
    }
}

impl Flow {
    fn told(&self) -> Value {
        let mut told = json!({
            "flow_message_version": "3",
            "flow_id": self.id,
            "flow_token": self.token,
            "flow_cta": self.cta,
        });
        if self.draft {
            told["mode"] = json!("draft");
        }
        match &self.screen {
            None => told["flow_action"] = json!("data_exchange"),
            Some(screen) => {
                told["flow_action"] = json!("navigate");
                told["flow_action_payload"] = json!({"screen": screen});
                if let Some(data) = &self.data {
                    told["flow_action_payload"]["data"] = data.clone();
                }
            }
        }
        told
    }
}
