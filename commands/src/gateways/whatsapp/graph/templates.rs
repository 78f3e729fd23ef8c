//! Templates as Meta keeps them, per WhatsApp Business account.

use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

use super::{Graph, LONGEST, SendError, TIMEOUT, understood};
use crate::gateways::http::{self, Answer};

const FIELDS: &str = "id,name,language,status,category,previous_category,parameter_format,\
                      components,quality_score,rejected_reason,message_send_ttl_seconds";
/// How many templates whose name holds a name are looked through for that one.
const NAMESAKES: u32 = 200;

/// What Meta made of a new template; words as it says them, like `PENDING` and `UTILITY`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Created {
    pub id: String,
    pub status: String,
    /// Perhaps another one than was asked for.
    pub category: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    pub templates: Vec<Listed>,
    /// Where the next page begins.
    pub next: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Listed {
    pub id: String,
    pub name: String,
    pub language: String,
    pub status: String,
    pub category: String,
    pub previous_category: Option<String>,
    /// `POSITIONAL` or `NAMED`.
    pub parameter_format: Option<String>,
    #[serde(default)]
    pub components: Vec<Value>,
    /// `GREEN`, `YELLOW`, `RED` or `UNKNOWN`.
    #[serde(default, rename = "quality_score", deserialize_with = "score")]
    pub quality: Option<String>,
    pub rejected_reason: Option<String>,
    pub message_send_ttl_seconds: Option<i32>,
}

impl Page {
    pub(crate) fn read(answer: &Answer) -> Result<Page, SendError> {
        let listing: Listing = understood(answer)?;
        // The last page has a cursor too, but no next.
        let next = listing.paging.next.and(listing.paging.cursors.after);
        Ok(Page { templates: listing.data, next })
    }
}

#[derive(Deserialize)]
struct Listing {
    data: Vec<Listed>,
    #[serde(default)]
    paging: Paging,
}

#[derive(Default, Deserialize)]
struct Paging {
    #[serde(default)]
    cursors: Cursors,
    next: Option<String>,
}

#[derive(Default, Deserialize)]
struct Cursors {
    after: Option<String>,
}

fn score<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let quality = Value::deserialize(from)?;
    Ok(quality["score"].as_str().map(str::to_owned))
}

impl Graph {
    /// Submits a new template. After `Unclear`, look for it by name and language before trying
    /// again; a second one is refused as `TemplateExists`.
    pub async fn create_template(
        &self,
        account: &str,
        template: &Value,
    ) -> Result<Created, SendError> {
        let path = [account, "message_templates"];
        self.answer(self.request(Method::POST, &path).json(template)).await
    }

    /// Changes category or components of a template, which is then looked at again.
    pub async fn edit_template(&self, id: &str, change: &Value) -> Result<(), SendError> {
        self.done(self.request(Method::POST, &[id]).json(change)).await
    }

    pub async fn templates(
        &self,
        account: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Page, SendError> {
        self.list(account, limit, after.map(|after| ("after", after))).await
    }

    /// The template of exactly this name and language, if the account has it.
    pub async fn template_named(
        &self,
        account: &str,
        name: &str,
        language: &str,
    ) -> Result<Option<Listed>, SendError> {
        // Meta finds names that hold this one, too.
        let page = self.list(account, NAMESAKES, [("name", name), ("language", language)]).await?;
        let is = |listed: &Listed| listed.name == name && listed.language == language;
        Ok(page.templates.into_iter().find(is))
    }

    /// The template of this id; refused as `NotFound` where Meta hasn't got it.
    pub async fn template(&self, id: &str) -> Result<Listed, SendError> {
        let mut url = self.address(&[id]);
        url.query_pairs_mut().append_pair("fields", FIELDS);
        self.answer(self.asking(Method::GET, url)).await
    }

    async fn list<'a>(
        &self,
        account: &str,
        limit: u32,
        filter: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Page, SendError> {
        let mut url = self.address(&[account, "message_templates"]);
        url.query_pairs_mut()
            .append_pair("fields", FIELDS)
            .append_pair("limit", &limit.to_string())
            .extend_pairs(filter);
        let request = self.asking(Method::GET, url);
        Page::read(&http::call(request, TIMEOUT, LONGEST).await?)
    }

    /// Deletes the template of this name in every language, or only the one of this id.
    pub async fn delete_template(
        &self,
        account: &str,
        name: &str,
        id: Option<&str>,
    ) -> Result<(), SendError> {
        let mut url = self.address(&[account, "message_templates"]);
        url.query_pairs_mut().append_pair("name", name).extend_pairs(id.map(|id| ("hsm_id", id)));
        self.done(self.asking(Method::DELETE, url)).await
    }
}
