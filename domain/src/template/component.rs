//! What a template is made of, in the JSON of Meta's template components (types and formats in
//! lower case; upper case is understood, too).

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schemars(rename = "TemplateComponent")]
pub enum Component {
    #[serde(alias = "HEADER")]
    Header(Header),
    #[serde(alias = "BODY")]
    Body(Body),
    #[serde(alias = "FOOTER")]
    Footer(Footer),
    #[serde(alias = "BUTTONS")]
    Buttons(Buttons),
    #[serde(alias = "CAROUSEL")]
    Carousel(Carousel),
    #[serde(alias = "LIMITED_TIME_OFFER")]
    LimitedTimeOffer(LimitedTimeOffer),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "TemplateHeader")]
pub struct Header {
    pub format: Format,
    /// Of a text header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    #[serde(default, skip_serializing_if = "Example::is_empty")]
    pub example: Example,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "TemplateHeaderFormat")]
pub enum Format {
    #[serde(alias = "TEXT")]
    Text,
    #[serde(alias = "IMAGE")]
    Image,
    #[serde(alias = "VIDEO")]
    Video,
    #[serde(alias = "GIF")]
    Gif,
    #[serde(alias = "DOCUMENT")]
    Document,
    #[serde(alias = "LOCATION")]
    Location,
    /// A product's picture, on the cards of a carousel.
    #[serde(alias = "PRODUCT")]
    Product,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "TemplateBody")]
pub struct Body {
    /// Missing in authentication templates: their text is Meta's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    #[serde(default, skip_serializing_if = "Example::is_empty")]
    pub example: Example,
    /// Whether an authentication template asks not to share the code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub add_security_recommendation: Option<bool>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "TemplateFooter")]
pub struct Footer {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// How long an authentication template says that the code is good for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_expiration_minutes: Option<u32>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "TemplateButtons")]
pub struct Buttons {
    #[serde(default)]
    pub buttons: Vec<Button>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "TemplateCarousel")]
pub struct Carousel {
    #[serde(default)]
    pub cards: Vec<Card>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "TemplateCard")]
pub struct Card {
    #[serde(default)]
    pub components: Vec<Component>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "TemplateLimitedTimeOffer")]
pub struct LimitedTimeOffer {
    pub limited_time_offer: Offer,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "TemplateOffer")]
pub struct Offer {
    #[serde(default)]
    pub text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub has_expiration: Option<bool>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schemars(rename = "TemplateButton")]
pub enum Button {
    #[serde(alias = "QUICK_REPLY")]
    QuickReply(Label),
    #[serde(alias = "URL")]
    Url(Link),
    #[serde(alias = "PHONE_NUMBER")]
    PhoneNumber(Call),
    #[serde(alias = "COPY_CODE")]
    CopyCode(Code),
    #[serde(alias = "OTP")]
    Otp(Otp),
    #[serde(alias = "FLOW")]
    Flow(Flow),
    #[serde(alias = "CATALOG")]
    Catalog(Label),
    /// Several products of the catalog.
    #[serde(alias = "MPM")]
    Mpm(Label),
    /// A single product of the catalog.
    #[serde(alias = "SPM")]
    Spm(Label),
    #[serde(alias = "VOICE_CALL")]
    VoiceCall(Label),
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "TemplateLabelButton")]
pub struct Label {
    #[serde(default)]
    pub text: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "TemplateLinkButton")]
pub struct Link {
    #[serde(default)]
    pub text: String,
    /// Dynamic if it ends with a placeholder.
    #[serde(default)]
    pub url: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_many")]
    pub example: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "TemplateCallButton")]
pub struct Call {
    #[serde(default)]
    pub text: String,
    #[serde(default)]
    pub phone_number: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "TemplateCodeButton")]
pub struct Code {
    #[serde(default)]
    pub example: String,
}

/// How the receiver of a one-time password gets it from WhatsApp to where it is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "TemplateOtpButton")]
pub struct Otp {
    pub otp_type: OtpType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autofill_text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zero_tap_terms_accepted: Option<bool>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub supported_apps: Vec<App>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OtpType {
    #[serde(alias = "COPY_CODE")]
    CopyCode,
    #[serde(alias = "ONE_TAP")]
    OneTap,
    #[serde(alias = "ZERO_TAP")]
    ZeroTap,
}

/// An Android app that may take the password.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "TemplateOtpApp")]
pub struct App {
    #[serde(default)]
    pub package_name: String,
    #[serde(default)]
    pub signature_hash: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "TemplateFlowButton")]
pub struct Flow {
    #[serde(default)]
    pub text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow_json: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow_action: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub navigate_screen: Option<String>,
}

/// Sample values, by which Meta's reviewers see what will stand in the placeholders.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "TemplateExample")]
pub struct Example {
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_many")]
    pub header_text: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub header_text_named_params: Vec<Named>,
    /// Handles of uploaded media.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_many")]
    pub header_handle: Vec<String>,
    /// Rows of values; one row is enough.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "rows")]
    pub body_text: Vec<Vec<String>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub body_text_named_params: Vec<Named>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "TemplateNamedExample")]
pub struct Named {
    #[serde(default)]
    pub param_name: String,
    #[serde(default)]
    pub example: String,
}

impl Component {
    pub(super) fn without_examples(&self) -> Component {
        let mut component = self.clone();
        match &mut component {
            Component::Header(part) => part.example = Example::default(),
            Component::Body(part) => part.example = Example::default(),
            Component::Buttons(part) => part.buttons.iter_mut().for_each(Button::forget_example),
            Component::Carousel(part) => {
                for card in &mut part.cards {
                    card.components = card.components.iter().map(Self::without_examples).collect();
                }
            }
            Component::Footer(_) | Component::LimitedTimeOffer(_) => {}
        }
        component
    }
}

impl Button {
    fn forget_example(&mut self) {
        match self {
            Button::Url(link) => link.example.clear(),
            Button::CopyCode(code) => code.example.clear(),
            _ => {}
        }
    }
}

impl Example {
    pub fn is_empty(&self) -> bool {
        *self == Example::default()
    }
}

/// Meta documents some examples both alone and in a list.
fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a text or a list of texts")]
    enum Told {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Told::deserialize(deserializer)? {
        Told::One(one) => vec![one],
        Told::Many(many) => many,
    })
}

fn rows<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a list of lists of texts, one text for a placeholder")]
    enum Told {
        One(String),
        Row(Vec<String>),
        Rows(Vec<Vec<String>>),
    }
    Ok(match Told::deserialize(deserializer)? {
        Told::One(one) => vec![vec![one]],
        Told::Row(row) if row.is_empty() => vec![],
        Told::Row(row) => vec![row],
        Told::Rows(rows) => rows,
    })
}
