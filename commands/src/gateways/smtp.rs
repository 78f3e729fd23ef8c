//! Mail: through a server that speaks SMTP, or into our own log where none is set.

use std::time::Duration;

use lettre::message::Mailbox;
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use uuid::Uuid;

/// How long the server may take for each answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where mails go, and from whom they come.
#[derive(Clone)]
pub enum Post {
    Smtp {
        transport: Box<AsyncSmtpTransport<Tokio1Executor>>,
        from: Mailbox,
    },
    /// For somebody who looks on.
    Print,
    Nowhere,
}

/// A mail to one person.
pub struct Mail {
    /// The same id is the same mail: who gets it twice sees it once.
    pub id: Uuid,
    pub to: String,
    pub subject: String,
    pub body: String,
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum Unset {
    #[error("VERBATIM_SMTP_URL is not like smtps://user:password@mail.example.com: {0}")]
    Url(String),
    #[error(
        "VERBATIM_MAIL_FROM is not an address: write name@example.com or Name <name@example.com>"
    )]
    From,
    #[error(
        "VERBATIM_SMTP_URL is set: set VERBATIM_MAIL_FROM too, the address that mails come from"
    )]
    NoFrom,
}

/// Why a mail did not go. The server's own words may quote the address: they stay out.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Unsent {
    #[error("the mail server refused it for good ({0})")]
    Refused(String),
    #[error("the mail server could not take it now ({0})")]
    NotNow(String),
}

impl Post {
    /// Without a URL no mail goes out; one that `shows` prints them instead.
    pub fn new(url: Option<&str>, from: Option<&str>, shows: bool) -> Result<Post, Unset> {
        let Some(url) = url else { return Ok(if shows { Post::Print } else { Post::Nowhere }) };
        let from: Mailbox = from.ok_or(Unset::NoFrom)?.parse().map_err(|_| Unset::From)?;
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url);
        let builder = builder.map_err(|error| Unset::Url(error.to_string()))?;
        let transport = builder
            .hello_name(ClientId::Domain(from.email.domain().to_owned()))
            .timeout(Some(PATIENCE))
            .build();
        Ok(Post::Smtp { transport: Box::new(transport), from })
    }

    pub async fn send(&self, mail: &Mail) -> Result<(), Unsent> {
        match self {
            Post::Smtp { transport, from } => {
                let unfit = |reason: &dyn std::fmt::Display| Unsent::Refused(reason.to_string());
                let to = mail.to.parse().map_err(|_| unfit(&"no address"))?;
                let message = Message::builder()
                    .from(from.clone())
                    .to(Mailbox::new(None, to))
                    .subject(mail.subject.clone())
                    .message_id(Some(format!("<{}@{}>", mail.id, from.email.domain())))
                    .header(AutoSubmitted)
                    .header(ContentType::TEXT_PLAIN)
                    .body(mail.body.clone())
                    .map_err(|error| unfit(&error))?;
                transport.send(message).await.map(drop).map_err(|error| unsent(&error))
            }
            // A mail carries what opens an account: it is nothing for a log that is kept.
            Post::Nowhere => Err(Unsent::Refused("no mail server is set".to_owned())),
            Post::Print => {
                let Mail { to, subject, body, .. } = mail;
                println!(
                    "A mail, for want of a mail server:\nTo: {to}\nSubject: {subject}\n\n{body}\n"
                );
                Ok(())
            }
        }
    }
}

fn unsent(error: &lettre::transport::smtp::Error) -> Unsent {
    let reason = match error.status() {
        Some(code) => code.to_string(),
        None if error.is_timeout() => "it took too long".to_owned(),
        None if error.is_tls() => "no trusted connection".to_owned(),
        None => "no connection".to_owned(),
    };
    if error.is_permanent() { Unsent::Refused(reason) } else { Unsent::NotNow(reason) }
}

/// Asks robots not to answer (RFC 3834).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(AutoSubmitted)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_could_send_nothing_are_told_at_the_start() {
        let told = |url: &str, from: Option<&str>| {
            let post = Post::new(Some(url), from, false);
            post.err().map(|unset| unset.to_string()).unwrap_or_default()
        };
        assert!(told("mail.example.com", Some("a@example.com")).contains("VERBATIM_SMTP_URL"));
        assert!(told("smtp://127.0.0.1:25", None).contains("VERBATIM_MAIL_FROM"));
        assert!(told("smtp://127.0.0.1:25", Some("nobody")).contains("VERBATIM_MAIL_FROM"));
        assert_eq!(told("smtp://127.0.0.1:25", Some("Verbatim <v@example.com>")), "");
        assert_eq!(told("smtps://u:p@mail.example.com", Some("v@example.com")), "");
        assert!(matches!(Post::new(None, None, true), Ok(Post::Print)));
        assert!(matches!(Post::new(None, None, false), Ok(Post::Nowhere)));
    }
}
