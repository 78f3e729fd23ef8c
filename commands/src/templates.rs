//! Templates as Meta has them: from its answers to what the domain knows.

mod sync;

use chrono::{DateTime, SubsecRound, Utc};
use domain::template::component::{Body, Footer};
use domain::template::{
    Category, Component, Content, Denial, Draft, Observed, ParameterFormat, Said,
};
use event_store::Store;
use serde_json::Value;

use crate::gateways::whatsapp::graph::{Created, Graph, Listed, Reason, Refusal, SendError};

pub use sync::{Account, AskError, Skipped, Synced, follow};

/// What time it is at Meta, whose clock tells seconds.
pub fn now(store: &Store) -> DateTime<Utc> {
    store.clock().now().trunc_subsecs(0)
}

/// A template as Meta has it: found by its id, before that is known by its name.
pub async fn at_meta(
    graph: &Graph,
    account: &str,
    draft: &Draft,
    provider_id: Option<&str>,
) -> Result<Option<Listed>, SendError> {
    let Some(id) = provider_id else {
        return graph.template_named(account, &draft.name, &draft.language).await;
    };
    match graph.template(id).await {
        Ok(listed) => Ok(Some(listed)),
        Err(SendError::Refused(refusal)) if refusal.reason == Reason::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What was seen in a listing that was asked for at that time.
pub(crate) fn observed(listed: &Listed, at: DateTime<Utc>) -> Observed {
    let category = Category::named(&listed.category);
    Observed {
        at,
        provider_id: listed.id.clone(),
        said: said(&listed.status, listed.rejected_reason.as_deref()),
        category,
        quality: listed.quality.clone().filter(|quality| quality != "UNKNOWN"),
        content: content(listed, category).ok(),
    }
}

/// What Meta made of a submission.
pub(crate) fn made(created: Created, at: DateTime<Utc>) -> Observed {
    Observed {
        at,
        said: said(&created.status, None),
        category: created.category.as_deref().and_then(Category::named),
        quality: None,
        content: None,
        provider_id: created.id,
    }
}

/// A state in Meta's word; `None` for those that are none of ours.
fn said(status: &str, rejected_reason: Option<&str>) -> Option<Said> {
    Some(match status {
        "PENDING" | "IN_APPEAL" => Said::Pending,
        "APPROVED" => Said::Approved,
        "REJECTED" => Said::Rejected {
            reason: rejected_reason.filter(|reason| *reason != "NONE").map(str::to_owned),
            explanation: None,
            recommendation: None,
        },
        "PAUSED" => Said::Paused { title: None, description: None },
        "DISABLED" => Said::Disabled { reason: None },
        "DELETED" => Said::Deleted,
        _ => return None,
    })
}

/// What the template says, as somebody here would have written it.
pub(crate) fn content(
    listed: &Listed,
    category: Option<Category>,
) -> Result<Content, serde_json::Error> {
    let mut components: Vec<Component> =
        serde_json::from_value(Value::Array(listed.components.clone()))?;
    if category == Some(Category::Authentication) {
        components.iter_mut().for_each(forget_metas_words);
    }
    let named = listed.parameter_format.as_ref().is_some_and(|it| it.eq_ignore_ascii_case("named"));
    Ok(Content {
        parameter_format: if named { ParameterFormat::Named } else { ParameterFormat::Positional },
        components,
        message_send_ttl_seconds: listed.message_send_ttl_seconds,
    })
}

/// Meta writes the texts of authentication templates, and takes none.
fn forget_metas_words(component: &mut Component) {
    match component {
        Component::Body(Body { text, example, .. }) => {
            (*text, *example) = (None, Default::default());
        }
        Component::Footer(Footer { text, .. }) => *text = None,
        _ => {}
    }
}

/// Why Meta would not, in the form that events keep.
pub(crate) fn denial(refusal: &Refusal) -> Denial {
    let explained = refusal.details.clone().or_else(|| Some(refusal.message.clone()));
    Denial {
        reason: refusal.reason.word(),
        code: Some(refusal.code).filter(|code| *code != 0),
        detail: explained.filter(|text| !text.is_empty()),
    }
}
